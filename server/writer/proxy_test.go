package writer_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a store and PostgreSQL and can cut a connection at its COMMIT.
type proxy struct {
	listener net.Listener
	server   string
	serving  sync.WaitGroup

	mu    sync.Mutex
	cut   cut
	conns []net.Conn
	// cuts counts the commits that were cut.
	cuts int
}

type cut int

const (
	// pass lets everything through.
	pass cut = iota
	// beforeCommit ends the connection where COMMIT would be sent.
	beforeCommit
	// afterCommit lets COMMIT through and ends the connection when the answer comes.
	afterCommit
)

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: server}
	p.serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, conn := range p.conns {
			_ = conn.Close()
		}
		p.mu.Unlock()
		p.serving.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// arm cuts the next commit.
func (p *proxy) arm(c cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = c
}

// done is how many commits were cut.
func (p *proxy) done() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// use takes what is armed: one commit is cut for each arm.
func (p *proxy) use() cut {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.cut
	if c != pass {
		p.cut = pass
		p.cuts++
	}
	return c
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	s := &session{p: p, client: client, server: server, dropping: make(chan struct{}), commits: map[string]bool{}}
	var answers sync.WaitGroup
	answers.Go(s.answers)
	s.requests()
	select {
	case <-s.dropping:
		answers.Wait() // The commit takes effect first.
	default:
	}
	_ = client.Close()
	_ = server.Close()
	answers.Wait()
}

// session is one connection of a client, seen message by message.
type session struct {
	p              *proxy
	client, server net.Conn
	// dropping is closed when no answer may reach the client any more.
	dropping chan struct{}
	// commits are the names of prepared statements that commit.
	commits map[string]bool
}

// requests lets messages through until the client goes or a commit is cut.
func (s *session) requests() {
	in := bufio.NewReader(s.client)
	kinds := 0 // The first message has no kind.
	for {
		message, err := readMessage(in, kinds)
		if err != nil {
			return
		}
		kinds = 1
		if s.committing(message) {
			switch s.p.use() {
			case beforeCommit:
				return
			case afterCommit:
				close(s.dropping)
				_, _ = s.server.Write(message)
				_, _ = io.CopyN(s.server, in, int64(in.Buffered())) // The rest of the pipeline.
				return
			case pass:
			}
		}
		if _, err := s.server.Write(message); err != nil {
			return
		}
	}
}

// readMessage reads one message: a kind of so many bytes, a length, and the rest.
func readMessage(in *bufio.Reader, kinds int) ([]byte, error) {
	head, err := in.Peek(kinds + 4)
	if err != nil {
		return nil, err
	}
	message := make([]byte, kinds+int(binary.BigEndian.Uint32(head[kinds:])))
	_, err = io.ReadFull(in, message)
	return message, err
}

// committing reports whether a message runs a COMMIT.
func (s *session) committing(message []byte) bool {
	words := strings.Split(string(message[min(5, len(message)):]), "\x00")
	switch message[0] {
	case 'Q':
		return strings.EqualFold(words[0], "commit")
	case 'P':
		s.commits[words[0]] = strings.EqualFold(words[1], "commit")
		return false
	case 'B':
		return s.commits[words[1]]
	}
	return false
}

// answers lets the server's bytes through, until they are dropped. Then it reads up to the end of
// the commit's answer.
func (s *session) answers() {
	buffer := make([]byte, 64<<10)
	var dropped []byte
	for {
		n, err := s.server.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-s.dropping:
			dropped = append(dropped, buffer[:n]...)
			if bytes.HasSuffix(dropped, []byte{'Z', 0, 0, 0, 5, 'I'}) {
				return
			}
		default:
			if _, err := s.client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}
