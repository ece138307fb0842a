package liqpay

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Version 3 of the protocol signs with SHA-1.
	"crypto/sha3"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kvitpay/kvit/server/psp"
)

// The fields of LiqPay's form.
const (
	fieldData      = "data"
	fieldSignature = "signature"
)

// signer signs texts and checks signatures: base64(hash(key, data, key)).
type signer struct {
	version int
	key     string
	hash    func([]byte) []byte
}

// newSigner takes the version of the protocol, which says the hash: SHA-1 for 3, SHA3-256 for 7.
func newSigner(version, key string) (signer, error) {
	switch version {
	case "", "3":
		return signer{version: 3, key: key, hash: func(text []byte) []byte {
			sum := sha1.Sum(text) //nolint:gosec // Version 3 of the protocol signs with SHA-1.
			return sum[:]
		}}, nil
	case "7":
		return signer{version: 7, key: key, hash: func(text []byte) []byte {
			sum := sha3.Sum256(text)
			return sum[:]
		}}, nil
	}
	return signer{}, errors.New(`api_version is neither "3" nor "7"`)
}

func (s signer) sign(data string) string {
	return base64.StdEncoding.EncodeToString(s.hash([]byte(s.key + data + s.key)))
}

// verify compares in constant time.
func (s signer) verify(data, signature string) bool {
	return subtle.ConstantTimeCompare([]byte(s.sign(data)), []byte(signature)) == 1
}

// form is content as LiqPay takes it.
func (s signer) form(content any) ([]psp.Field, error) {
	data, err := encode(content)
	if err != nil {
		return nil, err
	}
	return []psp.Field{{Name: fieldData, Value: data}, {Name: fieldSignature, Value: s.sign(data)}}, nil
}

// encode is base64 of the JSON of content. Addresses stay as they are: nothing is escaped for HTML.
func encode(content any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(content); err != nil {
		return "", fmt.Errorf("encode for liqpay: %w", err)
	}
	return base64.StdEncoding.EncodeToString(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), nil
}
