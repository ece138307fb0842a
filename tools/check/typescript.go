package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

const (
	typescriptDir = "clients/typescript"
	// nodeMajorMin is the oldest Node that the client supports.
	nodeMajorMin = 20
)

var (
	// nodeCount matches what node --test counts, at the end of its output.
	nodeCount   = regexp.MustCompile(`(?m)^ℹ (pass|fail|cancelled|skipped) (\d+)$`)
	nodeVersion = regexp.MustCompile(`^v(\d+)\.`)
)

// typescript runs the tests of the TypeScript client against the real server and adds to the tally. Without a Node that is
// new enough they are skipped, and where strict they have failed.
func (c *check) typescript(ctx context.Context) error {
	version, _ := c.newCommand(ctx, "node", "--version").Output()
	if !newEnough(string(version)) {
		if c.ci {
			return errors.New("needs Node 20.3 or newer")
		}
		c.tally.skipped++
		c.tally.skips = append(c.tally.skips, typescriptDir+" (needs Node 20.3 or newer)")
		return nil
	}
	if err := c.installTypescript(ctx); err != nil {
		return err
	}
	output, err := c.newCommand(ctx, "npm", "--prefix", typescriptDir, "test").CombinedOutput()
	failed := c.countNode(output)
	if err != nil || failed > 0 {
		_, _ = c.out.Write(output)
	}
	if failed > 0 {
		return nil // It is counted.
	}
	return err
}

// installTypescript installs what the lock file says, unless that is there.
func (c *check) installTypescript(ctx context.Context) error {
	lock, err := os.Stat(filepath.Join(typescriptDir, "package-lock.json"))
	if err != nil {
		return err
	}
	installed, err := os.Stat(filepath.Join(typescriptDir, "node_modules", ".package-lock.json"))
	if err == nil && installed.ModTime().After(lock.ModTime()) {
		return nil
	}
	return c.quietly(ctx, "npm", "--prefix", typescriptDir, "ci", "--no-progress")
}

// countNode adds what node --test counted to the tally, and says how many tests failed.
func (c *check) countNode(output []byte) int {
	failed := 0
	for _, match := range nodeCount.FindAllSubmatch(bytes.ToValidUTF8(output, nil), -1) {
		count, _ := strconv.Atoi(string(match[2]))
		switch string(match[1]) {
		case "pass":
			c.tally.passed += count
		case "skipped":
			c.tally.skipped += count
		default: // A test that was cancelled has not passed.
			failed += count
		}
	}
	for range failed {
		c.tally.fail(typescriptDir)
	}
	return failed
}

// newEnough reports whether the client supports the Node that says this version.
func newEnough(version string) bool {
	match := nodeVersion.FindStringSubmatch(version)
	if match == nil {
		return false
	}
	major, err := strconv.Atoi(match[1])
	return err == nil && major >= nodeMajorMin
}
