package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// What this client needs of RFC 9113: frame types, flags, settings.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4

	settingPush   = 0x2
	settingWindow = 0x4

	frameHeaderSize = 9
	frameMax        = 1 << 14
	// window is how much the server may send before it hears from us; it hears at every quarter.
	window = 1 << 30
)

const h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// h2conn is one connection that speaks HTTP/2 in the clear, as little of it as loading a server takes:
// headers are encoded once, without a table, and answers are looked at for their status alone. It
// costs a fraction of a full client, which matters where both share the cores. One goroutine uses it.
type h2conn struct {
	conn     net.Conn
	r        *bufio.Reader
	w        *bufio.Writer
	payload  []byte
	nextID   uint32
	received int
}

func dialH2(ctx context.Context, address string) (*h2conn, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	c := &h2conn{
		conn: conn, r: bufio.NewReaderSize(conn, 1<<16), w: bufio.NewWriterSize(conn, 1<<15),
		payload: make([]byte, frameMax), nextID: 1,
	}
	settings := binary.BigEndian.AppendUint16(nil, settingPush)
	settings = binary.BigEndian.AppendUint32(settings, 0)
	settings = binary.BigEndian.AppendUint16(settings, settingWindow)
	settings = binary.BigEndian.AppendUint32(settings, window)
	_, _ = c.w.WriteString(h2Preface) // A bufio.Writer keeps its error until Flush.
	c.write(frameSettings, 0, 0, settings)
	c.write(frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, window-1<<16))
	if err := c.w.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("greet %s: %w", address, err), conn.Close())
	}
	return c, nil
}

// write queues one frame.
func (c *h2conn) write(kind, flags byte, stream uint32, payload []byte) {
	var head [frameHeaderSize]byte
	n := len(payload)
	binary.BigEndian.PutUint32(head[:], uint32(n)<<8|uint32(kind)) //nolint:gosec // At most frameMax.
	head[4] = flags
	binary.BigEndian.PutUint32(head[5:], stream)
	_, _ = c.w.Write(head[:])
	_, _ = c.w.Write(payload)
}

// request queues a request and returns the stream on which it is answered.
func (c *h2conn) request(headers, body []byte) uint32 {
	id := c.nextID
	c.nextID += 2
	c.write(frameHeaders, flagEndHeaders, id, headers)
	c.write(frameData, flagEndStream, id, body)
	return id
}

// frame is one frame of an answer. Its payload is valid until the next one is read.
type frame struct {
	kind    byte
	stream  uint32
	end     bool
	payload []byte
}

// read returns the next frame of an answer, and does what the connection itself asks for meanwhile.
// What was queued is sent before it waits.
func (c *h2conn) read() (frame, error) {
	for {
		if c.r.Buffered() < frameHeaderSize && c.w.Buffered() > 0 {
			if err := c.w.Flush(); err != nil {
				return frame{}, err
			}
		}
		var head [frameHeaderSize]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return frame{}, err
		}
		n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if n > len(c.payload) {
			return frame{}, fmt.Errorf("a frame of %d bytes, more than was agreed", n)
		}
		f := frame{
			kind: head[3], end: head[4]&flagEndStream != 0,
			stream: binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), payload: c.payload[:n],
		}
		if _, err := io.ReadFull(c.r, f.payload); err != nil {
			return frame{}, err
		}
		ours, err := c.serve(f, head[4])
		if ours || err != nil {
			return f, err
		}
	}
}

// serve answers frames that concern the connection, and says whether a frame is part of an answer.
func (c *h2conn) serve(f frame, flags byte) (bool, error) {
	switch f.kind {
	case frameSettings:
		if flags&flagAck == 0 {
			c.write(frameSettings, flagAck, 0, nil)
		}
	case framePing:
		if flags&flagAck == 0 {
			c.write(framePing, flagAck, 0, f.payload)
		}
	case frameGoAway:
		return false, fmt.Errorf("the server goes away: %q", f.payload)
	case frameData:
		if c.received += len(f.payload); c.received > window/4 {
			c.write(frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(c.received))) //nolint:gosec // Less than a window.
			c.received = 0
		}
		return true, nil
	case frameHeaders, frameReset:
		return true, nil
	}
	return false, nil
}

// ok reports whether a HEADERS frame says 200. A server that follows RFC 7541 writes that status as
// one byte, first but for a change of the table's size.
func (f *frame) ok() bool {
	block := f.payload
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		block = block[1:]
	}
	return len(block) > 0 && block[0] == 0x88
}

// headerBlock encodes headers without a table (RFC 7541), so that the bytes serve every request.
func headerBlock(fields ...[2]string) []byte {
	block := []byte{0x83, 0x86} // :method POST, :scheme http
	for _, f := range fields {
		block = append(block, 0)
		block = appendText(appendText(block, f[0]), f[1])
	}
	return block
}

func appendText(block []byte, text string) []byte {
	const inFirst = 1<<7 - 1
	n := len(text)
	if n < inFirst {
		return append(append(block, byte(n)), text...)
	}
	block = append(block, inFirst)
	for n -= inFirst; n >= 1<<7; n >>= 7 {
		block = append(block, byte(n)|1<<7)
	}
	return append(append(block, byte(n)), text...)
}

// dial opens a TCP connection to this machine.
func dial(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return conn, nil
}
