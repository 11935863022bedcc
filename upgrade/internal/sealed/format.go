package sealed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Version is that of the format. Its header is, in this order: the magic bytes, the
// version of the format and that of the application (4 bytes each), the number of the
// application's bytes (8), the checksum of the table (4), zeros, and as its last 4 bytes
// the checksum of all before.
const Version = 1

// Errors of [Open] and of a [Reader].
var (
	// ErrNotSealed is that of a file that somebody could still change.
	ErrNotSealed = errors.New("it is not sealed")
	// ErrVersion is that of a format that this package does not read.
	ErrVersion = errors.New("a format of another version")
	// ErrCorrupt is that of what is not what was written.
	ErrCorrupt = errors.New("it is corrupt")
)

const (
	magic      = "gwsealed"
	headerSize = 4096 // so that the bytes begin with a page of memory
	chunkSize  = 256 << 10
	sumSize    = 4

	atFormat   = len(magic)
	atVersion  = atFormat + 4
	atLength   = atVersion + 4
	atTableSum = atLength + 8
	atSum      = headerSize - sumSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what the first page says.
type header struct {
	version  uint32
	length   uint64
	tableSum uint32
}

// chunks returns how many there are of length bytes.
func chunks(length uint64) uint64 { return length/chunkSize + (length%chunkSize+chunkSize-1)/chunkSize }

func (h header) encode() []byte {
	page := make([]byte, headerSize)
	copy(page, magic)
	binary.LittleEndian.PutUint32(page[atFormat:], Version)
	binary.LittleEndian.PutUint32(page[atVersion:], h.version)
	binary.LittleEndian.PutUint64(page[atLength:], h.length)
	binary.LittleEndian.PutUint32(page[atTableSum:], h.tableSum)
	binary.LittleEndian.PutUint32(page[atSum:], crc32.Checksum(page[:atSum], castagnoli))
	return page
}

// parse checks all of an image but its chunks, and returns where the application's bytes
// and the table are.
func parse(image []byte) (h header, data, table []byte, err error) {
	if len(image) < headerSize {
		return h, nil, nil, fmt.Errorf("%w: %d bytes are less than its header", ErrCorrupt, len(image))
	}
	page := image[:headerSize]
	if string(page[:len(magic)]) != magic {
		return h, nil, nil, fmt.Errorf("%w: it does not begin as it should", ErrCorrupt)
	}
	// Another format may have its checksum elsewhere, so its number is believed first.
	format := binary.LittleEndian.Uint32(page[atFormat:])
	sum := binary.LittleEndian.Uint32(page[atSum:])
	switch intact := crc32.Checksum(page[:atSum], castagnoli) == sum; {
	case format != Version:
		return h, nil, nil, fmt.Errorf("%w: %d, this one reads %d", ErrVersion, format, Version)
	case !intact:
		return h, nil, nil, fmt.Errorf("%w: the checksum of its header", ErrCorrupt)
	}
	h = header{
		version:  binary.LittleEndian.Uint32(page[atVersion:]),
		length:   binary.LittleEndian.Uint64(page[atLength:]),
		tableSum: binary.LittleEndian.Uint32(page[atTableSum:]),
	}
	rest := image[headerSize:]
	// Half of all numbers is more than any length, and no sum of two such wraps.
	if h.length > math.MaxInt64/2 || h.length+sumSize*chunks(h.length) != uint64(len(rest)) {
		return h, nil, nil, fmt.Errorf("%w: its header is for %d bytes, it has %d behind it", ErrCorrupt, h.length, len(rest))
	}
	data, table = rest[:h.length:h.length], rest[h.length:]
	if crc32.Checksum(table, castagnoli) != h.tableSum {
		return h, nil, nil, fmt.Errorf("%w: the checksum of its table", ErrCorrupt)
	}
	return h, data, table, nil
}
