package main

import (
	"fmt"
	"slices"
)

// track follows the fields of one struct through the versions that have it.
type track struct {
	of       wanted
	versions []string
	offsets  [][]int64 // per version, per field
}

func newTracks(list []wanted) []*track {
	tracks := make([]*track, len(list))
	for i := range list {
		tracks[i] = &track{of: list[i]}
	}
	return tracks
}

// add records the offsets of a version. Versions come oldest first; what is
// said twice of one must agree, but a field that only some builds of a version
// have counts as there.
func (t *track) add(version string, offsets []int64) error {
	n := len(t.versions)
	if n == 0 || t.versions[n-1] != version {
		t.versions, t.offsets = append(t.versions, version), append(t.offsets, slices.Clone(offsets))
		return nil
	}
	for i, offset := range offsets {
		switch known := &t.offsets[n-1][i]; {
		case *known == absent:
			*known = offset
		case offset != absent && offset != *known:
			return fmt.Errorf("%s.%s is at %d, but at %d for another architecture, release of Go or dependency",
				t.of.of(), t.of.fields[i], offset, *known)
		}
	}
	return nil
}

// span is a range of versions in which a field is at one offset. An empty end
// is that of the known versions.
type span struct {
	from, to string
	offset   int64
}

// spans collapses what is known of one field.
func (t *track) spans(field int) ([]span, error) {
	var list []span
	exists := false
	for i, version := range t.versions {
		offset := t.offsets[i][field]
		exists = exists || offset != absent
		if len(list) == 0 || list[len(list)-1].offset != offset {
			list = append(list, span{from: version, offset: offset})
		}
		list[len(list)-1].to = version
	}
	if !exists {
		return nil, fmt.Errorf("%s has no field %s in any version", t.of.of(), t.of.fields[field])
	}
	return list, nil
}
