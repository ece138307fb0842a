package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCommand struct{}

// Help shows how the command is used.
func (*versionCommand) Help() string {
	return `Examples:

    kvit version

    kvit version --json`
}

// Run prints what this program was built from.
func (*versionCommand) Run(a *app) error {
	version, revision := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = setting.Value
			}
		}
	}
	if a.json {
		document, err := json.Marshal(map[string]string{"version": version, "revision": revision, "go": runtime.Version()})
		if err != nil {
			return err
		}
		return a.indented(document)
	}
	_, err := fmt.Fprintf(a.stdout, "kvit %s %s %s\n", version, revision, runtime.Version())
	return err
}
