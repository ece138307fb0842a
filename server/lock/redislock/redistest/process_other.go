//go:build !linux

package redistest

import "syscall"

// tied does nothing here: a child outlives a test run that is killed.
func tied() *syscall.SysProcAttr { return nil }
