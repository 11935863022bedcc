package image

import (
	"os"

	"golang.org/x/sys/unix"
)

// fingerprint is what fstat says of a file's history.
type fingerprint struct {
	size, mode, uid, gid, links uint64
	modified, attributesChanged unix.Timespec
}

func fingerprintOf(f *os.File) (fingerprint, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fingerprint{}, os.NewSyscallError("fstat", err)
	}
	return fingerprint{size: uint64(st.Size), mode: uint64(st.Mode), uid: uint64(st.Uid), gid: uint64(st.Gid),
		links: uint64(st.Nlink), modified: st.Mtim, attributesChanged: st.Ctim}, nil
}

// content is what a write changes.
func (f fingerprint) content() fingerprint {
	return fingerprint{size: f.size, modified: f.modified}
}

// attributes is what else sets the time of the attributes.
func (f fingerprint) attributes() fingerprint {
	return fingerprint{mode: f.mode, uid: f.uid, gid: f.gid, links: f.links}
}
