//go:build vm

package vm

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// archive is an initial file system in the format that Linux unpacks: cpio
// with "new ASCII" headers.
type archive struct {
	data  bytes.Buffer
	inode int
}

const (
	modeFolder = 0o040755
	modeFile   = 0o100755
	modeData   = 0o100644
	modeLink   = 0o120777
)

func (a *archive) add(name string, mode int, content []byte) {
	a.inode++
	links := 1
	if mode == modeFolder {
		links = 2
	}
	fmt.Fprintf(&a.data, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	a.align()
	a.data.Write(content)
	a.align()
}

func (a *archive) align() {
	for a.data.Len()%4 != 0 {
		a.data.WriteByte(0)
	}
}

func (a *archive) end() []byte {
	a.add("TRAILER!!!", 0, nil)
	return a.data.Bytes()
}

// programs are the files of this machine that the guest has, by their names
// there.
type programs map[string]string

// pack returns an initial file system with the programs, and busybox under the
// names that the guest and the victim call.
func pack(t *testing.T, files programs) []byte {
	t.Helper()
	var a archive
	for _, folder := range []string{"bin", "dev", "proc", "sys", "tmp"} {
		a.add(folder, modeFolder, nil)
	}
	for name, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a.add(name, modeFile, data)
	}
	for _, applet := range []string{"sh", "true", "sleep", "env", "echo", "cat", "yes"} {
		a.add("bin/"+applet, modeLink, []byte("busybox"))
	}
	a.add("refused", modeData, []byte("not a program\n"))
	return a.end()
}
