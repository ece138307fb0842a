package app

// Knows reports whether a PSP is in the table.
func Knows(word string) bool {
	_, known := plugs[word]
	return known
}
