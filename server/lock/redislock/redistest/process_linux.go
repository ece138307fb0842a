package redistest

import "syscall"

// tied has the kernel end a child when the test run that started it is killed.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
