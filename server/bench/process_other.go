//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func ownCPU() time.Duration { return 0 }

func cpuOf(int) time.Duration { return 0 }

func residentOf(int) (int, error) {
	return 0, errors.New("the memory of a process is measured on Linux only")
}
