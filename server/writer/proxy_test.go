package writer_test

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// proxy stands between a store and PostgreSQL and can cut a connection at its COMMIT.
type proxy struct {
	listener net.Listener
	server   string

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
	// beforeCommit drops a COMMIT on its way there.
	beforeCommit
	// afterCommit lets a COMMIT through and drops the answer.
	afterCommit
)

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: server}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, conn := range p.conns {
			_ = conn.Close()
		}
		p.mu.Unlock()
		serving.Wait()
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

func (p *proxy) done() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// cutHere reports whether and how the bytes of a client are cut. One commit is cut for each arm.
func (p *proxy) cutHere(sent []byte) cut {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == pass || !bytes.Contains(bytes.ToLower(sent), []byte("commit")) {
		return pass
	}
	c := p.cut
	p.cut = pass
	p.cuts++
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
	var answerDropped sync.WaitGroup
	var drop sync.Once
	dropping := make(chan struct{})
	answerDropped.Go(func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			select {
			case <-dropping:
				return // The answer of the commit is here, so it took effect; the client never hears it.
			default:
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			break
		}
		c := p.cutHere(buffer[:n])
		if c == beforeCommit {
			break
		}
		if c == afterCommit {
			drop.Do(func() { close(dropping) })
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			break
		}
		if c == afterCommit {
			answerDropped.Wait()
			break
		}
	}
	_ = client.Close()
	_ = server.Close()
	answerDropped.Wait()
}
