package config

import (
	_ "embed"
	"fmt"
	"strings"
)

// Example is a merchants' file with every key, as the reference page shows it.
//
//go:embed example.yaml
var Example string

// Reference returns the reference page of all settings, in Markdown (docs/settings.md).
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Settings

Made from the tags of ` + "`server/config`" + `; do not edit. Everything has a default: the server starts without any setting.

Settings are environment variables. A variable that is empty counts as not set. All faults are reported together at
start, and a name with ` + "`KVIT_`" + ` that is none of these is refused (` + "`KVIT_TEST_`" + ` names belong to the tests, and
` + "`KVIT_SERVER`, `KVIT_ADMIN` and `KVIT_API_KEY`" + ` to the client; they are left alone).

Where a *reference* is taken, ` + "`env:NAME`" + ` is the value of another variable and ` + "`file:PATH`" + ` the content of a file.
`)
	component := ""
	for _, s := range settingsOf(&Settings{}) {
		if s.component != component {
			component = s.component
			fmt.Fprintf(&b, "\n## %s\n\n| name | default | value | meaning |\n|---|---|---|---|\n", component)
		}
		fallback := s.shown
		if fallback == "" {
			fallback = "`" + s.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, fallback, s.form, s.meaning)
	}
	b.WriteString("\n## The merchants' file\n\n`KVIT_CONFIG` names a file such as this one. Keys that are not shown here are refused.\n\n```yaml\n")
	b.WriteString(Example)
	b.WriteString("```\n")
	return b.String()
}
