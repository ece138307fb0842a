package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// clockTick is the unit of processor times in /proc.
const clockTick = 10 * time.Millisecond

// childAttributes make the kernel end a child should the bench be killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration { return cpuOf(os.Getpid()) }

// cpuOf is the processor time that a process has used; zero where it cannot be told.
func cpuOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name may hold spaces; what follows its bracket does not.
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(rest)
	const user, system = 11, 12
	if len(fields) <= system {
		return 0
	}
	var ticks int
	for _, i := range []int{user, system} {
		n, _ := strconv.Atoi(string(fields[i]))
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// residentOf is the memory of a process that is in RAM, in bytes.
func residentOf(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(status)
	if len(fields) < 2 {
		return 0, fmt.Errorf("read the memory of process %d: %q", pid, status)
	}
	pages, err := strconv.Atoi(string(fields[1]))
	return pages * os.Getpagesize(), err
}
