//go:build !unix

package main

import (
	"os"

	"github.com/mattn/go-isatty"
)

// columns is the width of the terminal behind file, 0 when there is none.
func columns(file *os.File) int {
	const usual = 80
	if isatty.IsTerminal(file.Fd()) {
		return usual
	}
	return 0
}
