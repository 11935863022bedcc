package ui

import (
	"strconv"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// Stack is the one call stack: groups of frames, innermost first. A group of
// the standard library's frames is folded.
type Stack struct {
	Groups []FrameGroup
	// Len is the number of frames.
	Len int
}

// FrameGroup is a run of frames of one kind.
type FrameGroup struct {
	// Own is set for frames outside of the standard library.
	Own    bool
	Frames []FrameView
	// Label says what is folded.
	Label string
}

// FrameView is one call.
type FrameView struct {
	// Path is the folder of the function's package, Func the rest.
	Path, Func, At, Title string
	// First marks the innermost frame outside of the standard library: the
	// line of code that is answerable.
	First bool
}

// newStack groups frames. Those of other modules are as good as one's own: what
// is not the standard library's is what somebody chose to run.
func newStack(frames []v1.Frame) Stack {
	s := Stack{Len: len(frames)}
	found := false
	for _, f := range frames {
		own := !model.StandardLibrary(f.Func)
		short := model.ShortFunction(f.Func)
		view := FrameView{Path: visible(strings.TrimSuffix(f.Func, short)), Func: visible(short), At: frameAt(f), Title: visible(f.File), First: own && !found}
		found = found || own
		if n := len(s.Groups); n == 0 || s.Groups[n-1].Own != own {
			s.Groups = append(s.Groups, FrameGroup{Own: own})
		}
		group := &s.Groups[len(s.Groups)-1]
		group.Frames = append(group.Frames, view)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		g.Label = plural(uint64(len(g.Frames)), "frame", "frames") + " of the standard library: " + packages(g.Frames)
	}
	return s
}

func frameAt(f v1.Frame) string {
	if f.File == "" {
		return ""
	}
	if f.Line <= 0 {
		return visible(f.File)
	}
	return visible(f.File) + ":" + strconv.Itoa(f.Line)
}

func packages(frames []FrameView) string {
	var list []string
	for _, f := range frames {
		if p := model.PackageOf(f.Path + f.Func); len(list) == 0 || list[len(list)-1] != p {
			list = append(list, p)
		}
	}
	return clip(strings.Join(list, ", "), 80)
}
