package sandboxfake

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// stateLog is the state file: one line of JSON for each change of a session, the whole session. The
// last line of a session is how it stands. When the file has grown to twice its size it is written anew.
type stateLog struct {
	path string
	file *os.File // nil keeps nothing.
	// size is where the next line begins: what a failed write has left behind it is written over.
	size, base int64
	// growMin is the size below which the file is left to grow, in bytes.
	growMin int64
	scratch bytes.Buffer
}

// growMin is the usual stateLog.growMin.
const growMin = 16 << 20

// openLog opens the state file, or makes it, and returns its sessions, oldest first.
func openLog(path string) (*stateLog, []*session, error) {
	if path == "" {
		return &stateLog{}, nil, nil
	}
	sessions, err := readLog(path)
	if err != nil {
		return nil, nil, fmt.Errorf("sandbox: read %s: %w", path, err)
	}
	l := &stateLog{path: path, growMin: growMin}
	if err := l.rewrite(sessions); err != nil {
		return nil, nil, fmt.Errorf("sandbox: %w", err)
	}
	return l, sessions, nil
}

// readLog reads the last line of each session, in the order of their first lines. A last line that is
// torn was never answered for, and is dropped.
func readLog(path string) ([]*session, error) {
	content, err := os.Open(path) //nolint:gosec // The path is a setting.
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer content.Close() //nolint:errcheck // It was only read.
	var sessions []*session
	places := map[string]int{}
	lines := bufio.NewReaderSize(content, 1<<16)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return sessions, nil
		}
		if err != nil {
			return nil, err
		}
		s := &session{}
		if err := json.Unmarshal(line, s); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if place, known := places[s.Reference]; known {
			sessions[place] = s
			continue
		}
		places[s.Reference] = len(sessions)
		sessions = append(sessions, s)
	}
}

// append writes a session down. all tells the sessions as they are seen, for a file that is written anew.
func (l *stateLog) append(s *session, all func() []*session) error {
	if l.file == nil {
		return nil
	}
	if l.size > max(l.growMin, 2*l.base) {
		if err := l.rewrite(all()); err != nil {
			return err
		}
	}
	l.scratch.Reset()
	if err := json.NewEncoder(&l.scratch).Encode(s); err != nil {
		return err
	}
	n, err := l.file.WriteAt(l.scratch.Bytes(), l.size)
	if err != nil {
		return fmt.Errorf("write %s: %w", l.path, err)
	}
	l.size += int64(n)
	return nil
}

// rewrite puts a new file with these sessions in the place of the old one.
func (l *stateLog) rewrite(sessions []*session) error {
	file, err := os.OpenFile(l.path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	size, err := fill(file, sessions)
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	old := l.file
	l.file, l.size, l.base = file, size, size
	if old != nil {
		_ = old.Close() // Nobody reads it again.
	}
	return nil
}

// fill writes sessions into an empty file and returns its size.
func fill(file *os.File, sessions []*session) (size int64, err error) {
	out := bufio.NewWriter(file)
	encoder := json.NewEncoder(out)
	for _, s := range sessions {
		if err := encoder.Encode(s); err != nil {
			return 0, err
		}
	}
	if err := out.Flush(); err != nil {
		return 0, err
	}
	return file.Seek(0, io.SeekCurrent)
}

func (l *stateLog) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
