package config

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

const redactedText = "[redacted]"

// Secret is a text that is never printed. The zero Secret means that none was given.
type Secret struct {
	// text is a pointer so that no printing of a struct that holds a Secret reaches it.
	text *string
}

// NewSecret hides text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether no secret was given.
func (s Secret) IsZero() bool { return s.text == nil }

// Format prints [redacted] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String returns [redacted], or nothing where no secret was given.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redactedText
}

// LogValue makes slog print [redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText makes JSON and YAML print [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Listen is an address to listen on: a host (a name, an IP address, or nothing for all) and a port.
// Port 0 is any free port.
type Listen struct {
	Host string
	Port uint16
}

// String returns host:port, as net.Listen takes it.
func (l Listen) String() string {
	return net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port)))
}

// Loopback reports whether only this machine reaches the address.
func (l Listen) Loopback() bool { return isLoopback(l.Host) }

// UnmarshalText reads host:port.
func (l *Listen) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return errForm
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strings.ContainsAny(host, " /@") {
		return errForm
	}
	*l = Listen{Host: host, Port: uint16(number)}
	return nil
}

// overlaps reports whether both cannot be listened on at the same time.
func (l Listen) overlaps(other Listen) bool {
	if l.Port != other.Port || l.Port == 0 {
		return false
	}
	return l.Host == other.Host || isWildcard(l.Host) || isWildcard(other.Host) || l.Loopback() && other.Loopback()
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func isWildcard(host string) bool {
	if host == "" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsUnspecified()
}

// errForm means that a value has not the form that its tag names. The tag says the rest.
var errForm = errors.New("wrong form")

// setting is one field of Settings with its tags.
type setting struct {
	name, fallback, shown, form, meaning string
	least, most                          string
	oneof                                []string
	referenceOnly                        bool
	// component is the struct that the field belongs to.
	component string
	value     reflect.Value
}

// settingsOf lists the fields of s that are settings, in the order of the structs.
func settingsOf(s *Settings) []setting {
	var all []setting
	root := reflect.ValueOf(s).Elem()
	for i := range root.NumField() {
		part := root.Field(i)
		if part.Kind() != reflect.Struct {
			continue
		}
		for j := range part.NumField() {
			field := part.Type().Field(j)
			name, ok := field.Tag.Lookup("name")
			if !ok {
				continue
			}
			all = append(all, setting{
				name: name, fallback: field.Tag.Get("default"), shown: field.Tag.Get("shown"),
				form: field.Tag.Get("form"), meaning: field.Tag.Get("meaning"),
				least: field.Tag.Get("least"), most: field.Tag.Get("most"),
				oneof:         strings.Fields(field.Tag.Get("oneof")),
				referenceOnly: field.Tag.Get("reference") == "only",
				component:     root.Type().Field(i).Name,
				value:         part.Field(j),
			})
		}
	}
	return all
}

// secret reports whether the value must not be shown.
func (s setting) secret() bool { return s.value.Type() == reflect.TypeFor[Secret]() }

// set reads text into the field. It fails with errForm where the text has not the field's form.
func (s setting) set(text string) error {
	if len(s.oneof) > 0 && !slices.Contains(s.oneof, text) {
		return errForm
	}
	switch field := s.value.Addr().Interface().(type) {
	case *string:
		*field = text
	case *Secret:
		*field = NewSecret(text)
	case *bool:
		if text != "true" && text != "false" {
			return errForm
		}
		*field = text == "true"
	case *int:
		return s.setInt(field, text)
	case *time.Duration:
		return s.setDuration(field, text)
	case *url.URL:
		return setURL(field, text)
	case encoding.TextUnmarshaler:
		return field.UnmarshalText([]byte(text)) //nolint:wrapcheck // the caller knows only whether it worked
	default:
		return fmt.Errorf("a setting cannot be a %s", s.value.Type())
	}
	return nil
}

// setInt reads a number between least and most. "auto" leaves 0, for Load to fill in.
func (s setting) setInt(field *int, text string) error {
	if text == "auto" && s.fallback == "auto" {
		*field = 0
		return nil
	}
	number, err := strconv.Atoi(text)
	least, errLeast := strconv.Atoi(s.least)
	most, errMost := strconv.Atoi(s.most)
	if errors.Join(err, errLeast, errMost) != nil || number < least || number > most {
		return errForm
	}
	*field = number
	return nil
}

func (s setting) setDuration(field *time.Duration, text string) error {
	span, err := time.ParseDuration(text)
	least, errLeast := time.ParseDuration(s.least)
	most, errMost := time.ParseDuration(s.most)
	if errors.Join(err, errLeast, errMost) != nil || span < least || span > most {
		return errForm
	}
	*field = span
	return nil
}

// setURL reads an absolute http or https URL that holds no password.
func setURL(field *url.URL, text string) error {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Hostname() == "" || parsed.User != nil || parsed.Fragment != "" {
		return errForm
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" {
		return errForm
	}
	*field = *parsed
	return nil
}
