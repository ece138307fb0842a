package liqpayfake

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Version 3 of the protocol signs with SHA-1.
	"crypto/sha3"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
)

// signature is base64(hash(private key, data, private key)): SHA-1 for version 3, SHA3-256 for version 7.
func signature(version int, privateKey, data string) string {
	text := []byte(privateKey + data + privateKey)
	if version == Version7 {
		sum := sha3.Sum256(text)
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	sum := sha1.Sum(text) //nolint:gosec // Version 3 of the protocol signs with SHA-1.
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Sign makes the form that carries a JSON text, as LiqPay signs it for this shop.
func (f *Fake) Sign(text []byte) url.Values {
	data := base64.StdEncoding.EncodeToString(text)
	return url.Values{"data": {data}, "signature": {signature(f.account.Version, f.account.PrivateKey, data)}}
}

// open decodes a form and checks its signature by the version that stands in it. What is refused has an
// error code of LiqPay's.
func (f *Fake) open(form url.Values) (fields map[string]string, code string) {
	data := form.Get("data")
	text, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return nil, "err_wrong"
	}
	fields, ok := literals(text)
	if !ok {
		return nil, "err_wrong"
	}
	version := Version3
	switch word(fields["version"]) {
	case "3":
	case "7":
		version = Version7
	default:
		return nil, "err_missing"
	}
	switch {
	case word(fields["public_key"]) != f.account.PublicKey:
		return nil, "public_key_not_found"
	case form.Get("signature") != signature(version, f.account.PrivateKey, data):
		return nil, "invalid_signature"
	}
	f.mu.Lock()
	f.requests = remember(f.requests, fields)
	f.mu.Unlock()
	return fields, ""
}

// literals are the members of a JSON object as literal text.
func literals(text []byte) (map[string]string, bool) {
	var raw map[string]json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&raw); err != nil {
		return nil, false
	}
	fields := make(map[string]string, len(raw))
	for name, value := range raw {
		fields[name] = string(value)
	}
	return fields, true
}

// word is a JSON text or number without its quotes.
func word(literal string) string {
	var text string
	if json.Unmarshal([]byte(literal), &text) == nil {
		return text
	}
	return literal
}

// quoted is text as a JSON literal.
func quoted(text string) string {
	literal, _ := json.Marshal(text) // A string always marshals.
	return string(literal)
}

// Alter is a callback's body with members replaced, and signed again. A literal that is empty leaves a
// member out.
func (f *Fake) Alter(body []byte, alter map[string]string) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.DecodeString(form.Get("data"))
	if err != nil {
		return nil, err
	}
	fields, _ := literals(text)
	all := make([]member, 0, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		all = append(all, member{name, fields[name]})
	}
	return []byte(f.Sign(object(all, alter)).Encode()), nil
}

// Forge is a callback's body with the signature of somebody who does not know the key.
func (f *Fake) Forge(body []byte) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	form.Set("signature", signature(f.account.Version, strangersKey, form.Get("data")))
	return []byte(form.Encode()), nil
}

const strangersKey = "not-the-key-of-the-shop"
