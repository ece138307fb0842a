package main

import "syscall"

// ownGroup makes a child lead a process group, so that it can be ended with its children and does not
// hear what the terminal sends to us. The kernel ends it should we be killed; the child's leader then
// takes its own children along.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}
