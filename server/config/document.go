package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// document is a YAML file that is read strictly: every key is known, stands once and has its form, and
// every fault says its line.
type document struct {
	file   string
	faults FaultsError
	// resolve follows a reference to a variable or a file.
	resolve func(text string) (string, error)
}

// fields says how to read the keys of a mapping.
type fields map[string]func(n *yaml.Node, path string)

// yamlLine is how the YAML library names a line in its errors.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parse returns the root of the only document in content, or nil and a fault.
func (d *document) parse(content []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var root yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		d.faults = append(d.faults, Fault{Name: d.file, Problem: "the file is empty"})
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	var more yaml.Node
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		d.fault(&more, "", "there is a second document in the file")
		return nil
	}
	return root.Content[0]
}

func (d *document) syntax(err error) {
	text := err.Error()
	name := d.file
	if found := yamlLine.FindStringSubmatch(text); found != nil {
		text = text[len(found[0]):]
		if found[1] != "" {
			name += " line " + found[1]
		}
	}
	d.faults = append(d.faults, Fault{Name: name, Problem: "is not YAML: " + text})
}

// fault reports a problem at a node. The path says which value, the line where.
func (d *document) fault(n *yaml.Node, path, problem string) {
	if path != "" {
		problem = path + ": " + problem
	}
	d.faults = append(d.faults, Fault{Name: d.at(n), Problem: problem})
}

// at is where a node stands, as faults name it.
func (d *document) at(n *yaml.Node) string { return fmt.Sprintf("%s line %d", d.file, n.Line) }

// wrong reports that a value has not its form.
func (d *document) wrong(n *yaml.Node, path, form string) {
	d.fault(n, path, quote(n.Value)+" is not "+form)
}

// mapping reads the keys of n. Those that are required must be there.
func (d *document) mapping(n *yaml.Node, path string, known fields, required ...string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "expected keys with values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		read, ok := known[key.Value]
		switch {
		case !ok:
			d.fault(key, name, "there is no such key"+suggest(key.Value, slices.Sorted(maps.Keys(known))))
		case seen[key.Value]:
			d.fault(key, name, "stands above already")
		default:
			read(value, name)
		}
		seen[key.Value] = true
	}
	for _, name := range required {
		if !seen[name] {
			d.fault(n, path, "the key "+name+" is missing")
		}
	}
}

// sequence reads each item of n, at most limit.
func (d *document) sequence(n *yaml.Node, path string, limit int, read func(n *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, path, "expected a list")
		return
	}
	if len(n.Content) > limit {
		d.fault(n, path, fmt.Sprintf("more than %d items", limit))
		return
	}
	for i, item := range n.Content {
		read(item, fmt.Sprintf("%s[%d]", path, i))
	}
}

// text reads one line of at most limit bytes, and returns nothing where it cannot.
func (d *document) text(n *yaml.Node, path string, limit int) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Tag == "!!binary" {
		d.fault(n, path, "expected a text")
		return ""
	}
	value := n.Value
	if strings.TrimSpace(value) == "" || len(value) > limit || strings.ContainsFunc(value, isControl) {
		d.wrong(n, path, fmt.Sprintf("one line of 1 to %d bytes", limit))
		return ""
	}
	return value
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (d *document) matching(n *yaml.Node, path string, pattern *regexp.Regexp, form string) string {
	value := d.text(n, path, fileMax)
	if value != "" && !pattern.MatchString(value) {
		d.wrong(n, path, form)
		return ""
	}
	return value
}

func (d *document) oneOf(n *yaml.Node, path string, values ...string) string {
	value := d.text(n, path, fileMax)
	if value != "" && !slices.Contains(values, value) {
		d.wrong(n, path, "one of "+strings.Join(values, ", "))
		return ""
	}
	return value
}

func (d *document) duration(n *yaml.Node, path string, most time.Duration, form string) time.Duration {
	value := d.text(n, path, fileMax)
	if value == "" {
		return 0
	}
	span, err := time.ParseDuration(value)
	if err != nil || span < 0 || span > most {
		d.wrong(n, path, form)
		return 0
	}
	return span
}
