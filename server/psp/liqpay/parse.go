package liqpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// Why a content cannot be read.
var (
	errNoObject = errors.New("the content is no JSON object")
	errTwice    = errors.New("the content has a member twice")
	errLonger   = errors.New("the content goes on after its end")
)

// membersUsual is how many members a callback has, with some room.
const membersUsual = 48

// parse reads one JSON object and nothing after it. A name that comes twice is refused: two readers
// could take it for two things. [json.Valid] has the word on what is JSON; what it took is only cut, and
// names and values are parts of one copy of the text.
func parse(text []byte) (message, error) {
	if !json.Valid(text) {
		return nil, invalid(text)
	}
	value, rest := cut(string(text))
	if value != "{" {
		return nil, errNoObject
	}
	m := make(message, membersUsual)
	for {
		if value, rest = cut(rest); value == "}" {
			return m, nil
		}
		name := unquote(value)
		if _, twice := m[name]; twice {
			return nil, errTwice
		}
		m[name], rest = cutWhole(rest)
	}
}

// invalid says why a text is refused that is not JSON: it is none from its beginning, or from where its
// object ends.
func invalid(text []byte) error {
	var first map[string]json.RawMessage
	if json.NewDecoder(bytes.NewReader(text)).Decode(&first) != nil || first == nil {
		return errNoObject
	}
	return errLonger
}

// between is what may stand between two tokens and says nothing in a text that is known to be JSON.
const between = " \t\r\n,:"

// cut cuts the next token off text, the inside of JSON that is valid: a bracket, a string with its
// quotes, a number or a word.
func cut(text string) (token, rest string) {
	text = strings.TrimLeft(text, between)
	end := 1
	switch text[0] {
	case '{', '}', '[', ']':
	case '"':
		end = stringEnd(text)
	default:
		if end = strings.IndexAny(text, between+"}]"); end < 0 {
			end = len(text)
		}
	}
	return text[:end], text[end:]
}

// stringEnd is where the string ends that text begins with.
func stringEnd(text string) int {
	end := 1
	for ; text[end] != '"'; end++ {
		if text[end] == '\\' {
			end++
		}
	}
	return end + 1
}

// cutWhole is cut for a value: objects and arrays come with all that is in them.
func cutWhole(text string) (value, rest string) {
	text = strings.TrimLeft(text, between)
	rest = text
	for depth := 0; ; {
		var token string
		switch token, rest = cut(rest); token {
		case "{", "[":
			depth++
		case "}", "]":
			depth--
		}
		if depth == 0 {
			return text[:len(text)-len(rest)], rest
		}
	}
}

// unquote is what a JSON string says; any other literal says nothing.
func unquote(literal string) string {
	if len(literal) < 2 || literal[0] != '"' {
		return ""
	}
	if inner := literal[1 : len(literal)-1]; !strings.Contains(inner, `\`) && utf8.ValidString(inner) {
		return inner
	}
	var text string
	if json.Unmarshal([]byte(literal), &text) != nil {
		return ""
	}
	return text
}
