package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

const cliPage = "../../docs/cli.md"

const cliIntroduction = `# kvit, the command line

Make payment links, ask about orders and watch what happens to them, from a terminal or a script. It is a pure client: what
it does, any program with an API key can do.

    go build -o bin/kvit ./clients/kvit   # or make build
    export KVIT_SERVER=http://127.0.0.1:8080 KVIT_API_KEY=...   # make run prints both
    bin/kvit link create --order-id A-17 --amount "1500.00 AMD"

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | the server refused: the reason is printed, and repeating does not help |
| 2 | the command line is wrong; nothing was sent |
| 3 | the server could not be reached, asks to try again, or a watch did not see what it waited for in time |
| 130 | interrupted |

- Only the answer goes to standard output. Errors, hints and waiting go to standard error.
- ` + "`--json`" + ` prints one JSON document, the API's own answer; ` + "`order watch --json`" + ` prints one event per line. Commands that change
  something add ` + "`idempotencyKey` and `replayed`" + `. An error is then ` + "`{\"error\": {code, reason, message, ...}}`" + ` on standard error.
- A command that changes something makes an idempotency key, and repeats the call with it while the outcome is unclear. If it
  stays unclear, it says how to repeat the command with that key, so that nothing happens twice.
- Amounts are typed and printed with all decimals after a point and the currency's code, thousands apart by a space or
  together: ` + "`1 500.00 AMD`" + `. Times are those of your clock's zone.
- Tables leave columns out on a narrow terminal, and are whole in a pipe. Ids are never shortened.

Below is what ` + "`kvit <command> --help`" + ` prints, without the flags that all commands share.
`

// docs/cli.md is what --help says.
func TestDocs_CLIPageIsCurrent(t *testing.T) {
	t.Setenv("COLUMNS", "80")

	var page strings.Builder
	page.WriteString(cliIntroduction)
	page.WriteString("\n```\n" + help(t) + "```\n")
	for _, args := range every {
		writeCommand(t, &page, args[0], args[1])
	}
	writeCommand(t, &page, "order", "watch")
	writeCommand(t, &page, "version")
	if *update {
		if err := os.WriteFile(cliPage, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(cliPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page.String() {
		t.Error("docs/cli.md is old: run go test ./clients/kvit -update")
	}
}

// Every command shows how it is used.
func TestDocs_EveryCommandHasExamples(t *testing.T) {
	t.Parallel()

	for _, args := range slices.Concat(every, [][]string{{"order", "watch"}, {"version", "--json"}}) {
		command := args[:2]
		if !strings.Contains(help(t, command...), "\n    kvit "+args[0]) {
			t.Errorf("kvit %s --help has no example", strings.Join(command, " "))
		}
	}
}

// writeCommand adds a command's help, once, without the flags that all share.
func writeCommand(t *testing.T, page *strings.Builder, command ...string) {
	t.Helper()

	title := "\n## kvit " + strings.Join(command, " ") + "\n"
	if strings.Contains(page.String(), title) {
		return
	}
	text := help(t, command...)
	if begin := strings.Index(text, "Flags:\n"); begin >= 0 {
		_, own, some := strings.Cut(text[begin:], "\n\n")
		if some {
			own = "Flags:\n" + own
		}
		text = text[:begin] + own
	}
	page.WriteString(title + "\n```\n" + strings.TrimRight(text, "\n") + "\n```\n")
}

// help is what --help prints after a command.
func help(t *testing.T, command ...string) string {
	t.Helper()

	var stdout, stderr bytes.Buffer
	code := run(t.Context(), slices.Concat(command, []string{"--help"}), &world{stdout: &stdout, stderr: &stderr})
	if code != exitDone || stderr.Len() > 0 {
		t.Fatalf("%v --help: got %d saying %q", command, code, stderr.String())
	}
	return stdout.String()
}
