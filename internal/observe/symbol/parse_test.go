package symbol

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Where a tiny program keeps its parts, in the file and, plus the base, in
// memory.
const (
	tinyBase  = 0x400000
	tinyTable = 0x1000 // the table of functions
	tinyTree  = 0x1800 // inlined calls
	tinyText  = 0x2000
	tinyEnd   = 0x2100 // of the text
	tinyData  = 0x3000 // module data
	tinyRelas = 0x3400
	tinyDyn   = 0x3600
	tinyNote  = 0x3700
	tinyInfo  = 0x3800 // build information
	tinySects = 0x4000
	tinySize  = 0x5000
)

// tiny describes a made-up program with the function main.outer of 0x80 bytes,
// whose first 0x40 are inlined from main.inner, and the function main.last.
type tiny struct {
	pie          bool // pointers exist only as relocations
	noSections   bool
	merged       bool   // the table has no section of its own
	noGoSign     bool   // nor has the build information
	parentPC     uint32 // of the inlined call
	version      string
	damageTables func(table, module []byte)
}

func (p tiny) build() []byte {
	file := make([]byte, tinySize)
	copy(file, "\x7fELF\x02\x01\x01")
	kind := uint16(typeExec)
	if p.pie {
		kind = typeDyn
	}
	le.PutUint16(file[16:], kind)
	le.PutUint16(file[18:], machineAMD64)
	le.PutUint64(file[32:], elfHeaderSize)
	le.PutUint16(file[54:], progHeaderSize)
	segments := []struct {
		kind, flags    uint32
		off, addr, end uint64
	}{
		{ptLoad, 4, 0, tinyBase, tinyText},
		{ptLoad, 4 | flagExec, tinyText, tinyBase + tinyText, tinyData},
		{ptLoad, 4 | flagWrite, tinyData, tinyBase + tinyData, tinySects},
		{ptDynamic, 4, tinyDyn, tinyBase + tinyDyn, tinyNote},
		{ptNote, 4, tinyNote, tinyBase + tinyNote, tinyInfo},
	}
	le.PutUint16(file[56:], uint16(len(segments)))
	for i, s := range segments {
		h := file[elfHeaderSize+i*progHeaderSize:]
		le.PutUint32(h, s.kind)
		le.PutUint32(h[4:], s.flags)
		le.PutUint64(h[8:], s.off)
		le.PutUint64(h[16:], s.addr)
		le.PutUint64(h[32:], s.end-s.off)
	}
	p.putTables(file)
	if !p.noSections {
		p.putSections(file)
	}
	copy(file[tinyNote:], "\x04\x00\x00\x00\x07\x00\x00\x00\x04\x00\x00\x00Go\x00\x00tiny/id")
	version := p.version
	if version == "" {
		version = "go1.26.0"
	}
	modules := strings.Repeat("-", modInfoFrame) + "path\ttiny/cmd\nmod\ttiny\t(devel)\t\n" + strings.Repeat("-", modInfoFrame)
	info := append([]byte(buildInfoMagic), 8, 2)
	info = append(info, make([]byte, buildInfoHeader-len(info))...)
	info = append(append(info, byte(len(version))), version...)
	info = append(append(info, byte(len(modules))), modules...)
	copy(file[tinyInfo:], info)
	return file
}

// putTables writes the table of functions, the inlined call and the module
// data.
func (p tiny) putTables(file []byte) {
	table := file[tinyTable:tinyTree]
	le.PutUint32(table, magic120)
	table[6], table[7] = 1, 8
	le.PutUint64(table[8:], 2)
	parts := []uint64{0x80, 0x100, 0x140, 0x180, 0x200} // names, units, files, values, functions
	for i, off := range parts {
		le.PutUint64(table[32+8*i:], off)
	}
	copy(table[0x80:], "\x00main.outer\x00main.inner\x00main.last\x00")
	le.PutUint32(table[0x100:], 0)
	copy(table[0x140:], "tiny.go\x00")
	// Values are pairs of a change, in zigzag, and of how far it reaches.
	copy(table[0x181:], "\x02\x80\x01\x00")          // file 0 everywhere
	copy(table[0x190:], "\x16\x40\x14\x40\x00")      // line 10, then 20
	copy(table[0x1a0:], "\x02\x40\x01\x40\x00")      // inlined call 0, then none
	for i, entry := range []uint32{0, 0x80, 0x100} { // the index of functions
		le.PutUint32(table[0x200+8*i:], entry)
		le.PutUint32(table[0x204+8*i:], 0x40+0x60*uint32(i))
	}
	outer, last := table[0x240:], table[0x2a0:]
	for i, v := range []uint32{0, 1, 0, 0, 0, 1, 0x10, 3, 0, 5, 4 << 24, 0, 0, 0x20, noOffset, noOffset, noOffset, 0} {
		le.PutUint32(outer[4*i:], v)
	}
	for i, v := range []uint32{0x80, 23, 0, 0, 0, 0, 0, 0, 0, 5, 0} {
		le.PutUint32(last[4*i:], v)
	}
	node := file[tinyTree:]
	le.PutUint32(node[4:], 12)
	le.PutUint32(node[8:], p.parentPC)

	module := file[tinyData : tinyData+mdSize]
	words := map[int]uint64{
		mdHeader: tinyBase + tinyTable, mdFtab: tinyBase + tinyTable + 0x200,
		mdMinPC: tinyBase + tinyText, mdMaxPC: tinyBase + tinyEnd,
		mdText: tinyBase + tinyText, mdEtext: tinyBase + tinyEnd, mdGofunc: tinyBase + tinyTree,
	}
	le.PutUint64(module[mdFtabLen:], 3)
	relas := file[tinyRelas:tinyRelas]
	for off, value := range words {
		if !p.pie {
			le.PutUint64(module[off:], value)
			continue
		}
		relas = le.AppendUint64(relas, uint64(tinyBase+tinyData+off))
		relas = le.AppendUint64(relas, relativeAMD64)
		relas = le.AppendUint64(relas, value)
	}
	if p.pie {
		dyn := le.AppendUint64(file[tinyDyn:tinyDyn], dtRela)
		dyn = le.AppendUint64(dyn, tinyBase+tinyRelas)
		dyn = le.AppendUint64(dyn, dtRelaSz)
		le.AppendUint64(dyn, uint64(len(relas)))
	}
	if p.damageTables != nil {
		p.damageTables(table, module)
	}
}

func (p tiny) putSections(file []byte) {
	sections := []struct {
		name     string
		off, end uint64
	}{
		{"", 0, 0},
		{".shstrtab", tinySects + 0x800, tinySize},
		{".gopclntab", tinyTable, tinyText},
		{".go.buildinfo", tinyInfo, tinySects},
	}
	if p.merged {
		sections[2].name = ".data.rel.ro"
		sections[2].off -= 0x200
	}
	if p.noGoSign {
		sections = sections[:3]
	}
	le.PutUint64(file[40:], tinySects)
	le.PutUint16(file[58:], sectHeaderSize)
	le.PutUint16(file[60:], uint16(len(sections)))
	le.PutUint16(file[62:], 1)
	names := file[tinySects+0x800:]
	at := 0
	for i, s := range sections {
		copy(names[at:], s.name)
		h := file[tinySects+i*sectHeaderSize:]
		le.PutUint32(h, uint32(at))
		le.PutUint32(h[4:], 1)
		le.PutUint64(h[16:], tinyBase+s.off)
		le.PutUint64(h[24:], s.off)
		le.PutUint64(h[32:], s.end-s.off)
		at += len(s.name) + 1
	}
}

func TestParse_readsWhatLinkersMake(t *testing.T) {
	for name, p := range map[string]tiny{
		"static":                            {parentPC: 0x50},
		"no section headers":                {parentPC: 0x50, noSections: true},
		"table merged into another section": {parentPC: 0x50, merged: true},
		"PIE with relocations only":         {parentPC: 0x50, pie: true},
		"PIE, merged":                       {parentPC: 0x50, pie: true, merged: true},
		"PIE, no section headers":           {parentPC: 0x50, pie: true, noSections: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := &Binary{}
			if err := b.parse(p.build()); err != nil {
				t.Fatal(err)
			}
			want := []model.Frame{{Func: "main.inner", File: "tiny.go", Line: 10}, {Func: "main.outer", File: "tiny.go", Line: 20}}
			if got := b.AppendFrames(nil, tinyBase+tinyText+8, false); !slices.Equal(got, want) {
				t.Errorf("inlined: %v, want %v", got, want)
			}
			if got := b.AppendFrames(nil, tinyBase+tinyText+0x40, true); !slices.Equal(got, want) {
				t.Errorf("return address after inlined: %v, want %v", got, want)
			}
			if got := b.AppendFrames(nil, tinyBase+tinyText+0x40, false); !slices.Equal(got, want[1:]) {
				t.Errorf("not inlined: %v, want %v", got, want[1:])
			}
			last := []model.Frame{{Func: "main.last", File: "?"}}
			if got := b.AppendFrames(nil, tinyBase+tinyText+0xff, false); !slices.Equal(got, last) {
				t.Errorf("without lines: %v, want %v", got, last)
			}
			if got := b.AppendFrames(nil, tinyBase+tinyEnd, false); got != nil {
				t.Errorf("after the end: %v", got)
			}
			entry, end, ok := b.Func("main.last")
			if entry != tinyBase+tinyText+0x80 || end != tinyBase+tinyEnd || !ok {
				t.Errorf("Func: %#x, %#x, %v", entry, end, ok)
			}
			if b.GoVersion() != "go1.26.0" || b.BuildID() != "tiny/id" || b.StdLib("tiny/x.F") || !b.StdLib("fmt.Println") {
				t.Errorf("version %q, build id %q, modules %q", b.GoVersion(), b.BuildID(), b.info.modules)
			}
			if bias := b.LoadBias(0x7f0000002000 + tinyBase); bias != 0x7f0000000000 {
				t.Errorf("LoadBias: %#x", bias)
			}
		})
	}
}

func TestParse_refuses(t *testing.T) {
	damage := func(f func(table, module []byte)) []byte { return tiny{damageTables: f}.build() }
	edit := func(f func(file []byte)) []byte {
		file := tiny{}.build()
		f(file)
		return file
	}
	damaged := errors.New("neither") // no sentinel at all
	for name, test := range map[string]struct {
		file []byte
		want error
	}{
		"nothing":                {nil, ErrNotGo},
		"text":                   {bytes.Repeat([]byte("text "), 100), ErrNotGo},
		"no sign of Go":          {tiny{merged: true, noGoSign: true}.build(), ErrNotGo},
		"a 32-bit file":          {edit(func(f []byte) { f[4] = 1 }), ErrUnsupported},
		"a big-endian file":      {edit(func(f []byte) { f[5] = 2 }), ErrUnsupported},
		"another machine":        {edit(func(f []byte) { f[18] = 243 }), ErrUnsupported},
		"an object file":         {edit(func(f []byte) { f[16] = 1 }), ErrNotGo},
		"a table of Go 1.18":     {damage(func(table, _ []byte) { le.PutUint32(table, magic118) }), ErrUnsupported},
		"no module data":         {damage(func(_, module []byte) { clear(module) }), ErrUnsupported},
		"text that ends first":   {damage(func(_, module []byte) { le.PutUint64(module[mdEtext:], 1) }), ErrUnsupported},
		"text outside of a file": {damage(func(_, module []byte) { le.PutUint64(module[mdEtext:], 1<<62) }), ErrUnsupported},
		"another index":          {damage(func(_, module []byte) { module[mdFtab]++ }), ErrUnsupported},
		"32-bit pointers":        {damage(func(table, _ []byte) { table[7] = 4 }), damaged},
		"too many functions":     {damage(func(table, _ []byte) { le.PutUint64(table[8:], 1<<40) }), damaged},
		"no functions":           {damage(func(table, _ []byte) { le.PutUint64(table[8:], 0) }), damaged},
		"parts out of order":     {damage(func(table, _ []byte) { le.PutUint64(table[40:], 1<<63) }), damaged},
		"a segment outside":      {edit(func(f []byte) { le.PutUint64(f[elfHeaderSize+32:], 1<<40) }), damaged},
		"segments that overlap":  {edit(func(f []byte) { overlap(f) }), damaged},
		"sections outside":       {edit(func(f []byte) { le.PutUint64(f[40:], 1<<63) }), damaged},
		"too many sections":      {edit(func(f []byte) { le.PutUint16(f[60:], 60000) }), damaged},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&Binary{}).parse(test.file)
			if err == nil {
				t.Fatal("parsed")
			}
			if test.want == damaged {
				if errors.Is(err, ErrNotGo) || errors.Is(err, ErrUnsupported) {
					t.Errorf("error %v", err)
				}
			} else if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

// overlap makes every segment the whole file.
func overlap(file []byte) {
	for i := range int(le.Uint16(file[56:])) {
		h := file[elfHeaderSize+i*progHeaderSize:]
		le.PutUint32(h, ptLoad)
		le.PutUint64(h[8:], 0)
		le.PutUint64(h[32:], tinySize)
	}
}

func TestParse_endsOnInlinedCallsThatCircle(t *testing.T) {
	b := &Binary{}
	if err := b.parse(tiny{parentPC: 8}.build()); err != nil {
		t.Fatal(err)
	}
	got := b.AppendFrames(nil, tinyBase+tinyText+8, false)
	if len(got) != maxInline+1 {
		t.Errorf("%d frames", len(got))
	}
}

func TestParse_anyTruncationGivesAnErrorOrAnswers(t *testing.T) {
	for _, p := range []tiny{{}, {pie: true, merged: true}, {noSections: true}} {
		file := p.build()
		for size := 0; size < len(file); size += 7 {
			exercise(file[:size:size])
		}
	}
}

// exercise asks everything of a file.
func exercise(file []byte) {
	b := &Binary{}
	if b.parse(file) != nil {
		return
	}
	t := b.table
	for _, pc := range []uint64{0, t.text, t.text + 1, t.text + 8, t.text + 0x40, t.text + 0x90, t.etext - 1, t.etext, ^uint64(0)} {
		for _, f := range b.AppendFrames(nil, pc, pc%2 == 1) {
			b.StdLib(f.Func)
		}
	}
	for _, name := range []string{"main.outer", "main.last", "main.inner", ""} {
		entry, end, _ := b.Func(name)
		b.Text(entry, end)
	}
	b.GoidOffset()
	b.LoadBias(1)
}

func FuzzParse(f *testing.F) {
	for _, p := range []tiny{{}, {pie: true}, {merged: true}, {pie: true, merged: true}, {noSections: true}, {pie: true, noSections: true}, {parentPC: 8}} {
		f.Add(p.build())
	}
	f.Fuzz(func(_ *testing.T, file []byte) { exercise(file) })
}
