package psp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// keptCallback is a callback as it is kept: a body that is text stays readable, and a third shorter.
type keptCallback struct {
	Method string              `json:"method"`
	Header map[string][]string `json:"header,omitempty"`
	Query  string              `json:"query,omitempty"`
	Text   string              `json:"text,omitempty"`
	Body   []byte              `json:"body,omitempty"`
	Source string              `json:"source,omitempty"`
}

// Encode returns the callback as it is kept beside its fact (J5).
func (c *Callback) Encode() ([]byte, error) {
	k := keptCallback{Method: c.Method, Header: c.Header, Query: c.Query, Source: c.Source}
	if utf8.Valid(c.Body) {
		k.Text = string(c.Body)
	} else {
		k.Body = c.Body
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&k); err != nil {
		return nil, fmt.Errorf("encode callback: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodeCallback reads what Encode wrote: byte for byte the callback that came, so that it can be
// replayed (C6).
func DecodeCallback(kept []byte) (Callback, error) {
	var k keptCallback
	if err := json.Unmarshal(kept, &k); err != nil {
		return Callback{}, fmt.Errorf("decode callback: %w", err)
	}
	c := Callback{Method: k.Method, Header: k.Header, Query: k.Query, Body: k.Body, Source: k.Source}
	if k.Text != "" {
		c.Body = []byte(k.Text)
	}
	return c, nil
}
