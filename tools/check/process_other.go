//go:build !linux

package main

import "syscall"

// ownGroup makes a child lead a process group, so that it can be ended with its children and does not
// hear what the terminal sends to us.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
