package symbol

// release is what differs between minor releases of Go. Patch releases do not
// differ: the first and the last one known of each minor were compared.
type release struct {
	minor int    // N of Go 1.N
	goid  uint64 // offset of goid in runtime.g
	ids   funcIDs
}

// funcIDs are the classes of functions that decide what a stack shows.
type funcIDs struct {
	wrapper, gopanic, sigpanic, panicwrap uint8
}

// hides reports whether stacks leave a function of class id out when it calls
// one of class callee. Wrappers are left out, unless they panicked themselves.
func (ids funcIDs) hides(id, callee uint8) bool {
	return id == ids.wrapper && id != 0 &&
		callee != ids.gopanic && callee != ids.sigpanic && callee != ids.panicwrap
}

// releaseOf returns the release that a version names, or the newest known one
// and false.
func releaseOf(version string) (release, bool) {
	known := releases()
	minor := parseRelease(version).minor
	for _, r := range known {
		if r.minor == minor {
			return r, true
		}
	}
	return known[len(known)-1], false
}
