package sealed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"testing"
)

// readAll reads an image in each way; all must agree.
func readAll(t *testing.T, image []byte) ([]byte, error) {
	t.Helper()
	r, err := newReader(image)
	if err != nil {
		return nil, err
	}
	read, err := io.ReadAll(r)
	again, errAgain := newReader(image)
	if errAgain != nil {
		t.Fatal(errAgain)
	}
	whole, errWhole := again.Bytes()
	if (err == nil) != (errWhole == nil) || err == nil && !bytes.Equal(read, whole) {
		t.Fatalf("Read: %d bytes, %v; Bytes: %d bytes, %v", len(read), err, len(whole), errWhole)
	}
	return whole, errWhole
}

// reseal makes the checksum of a header right.
func reseal(image []byte) []byte {
	binary.LittleEndian.PutUint32(image[atSum:], crc32.Checksum(image[:atSum], castagnoli))
	return image
}

func TestCorruption_ofEachByteIsFound(t *testing.T) {
	want := random(3, chunkSize+300)
	image := content(t, seal(t, 9, want))
	if got, err := readAll(t, image); !bytes.Equal(got, want) || err != nil {
		t.Fatal(err)
	}
	// All of the header, of the table and of the last chunk; some of the first.
	step := 1
	for at := 0; at < len(image); at += step {
		step = 1
		if at >= headerSize && at < headerSize+chunkSize-1 {
			step = 9973
		}
		for _, bit := range []byte{1, 0x80} {
			image[at] ^= bit
			_, err := readAll(t, image)
			if !errors.Is(err, ErrCorrupt) && !(errors.Is(err, ErrVersion) && at >= atFormat && at < atVersion) {
				t.Fatalf("byte %d: %v", at, err)
			}
			image[at] ^= bit
		}
	}
}

func TestCorruption_ofTheLengthIsFound(t *testing.T) {
	image := content(t, seal(t, 9, random(3, 100)))
	for n := range image {
		if n > headerSize || n%101 == 0 {
			if _, err := readAll(t, image[:n]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("the first %d bytes: %v", n, err)
			}
		}
	}
	for _, more := range []int{1, 4, 4096, chunkSize} {
		if _, err := readAll(t, append(bytes.Clone(image), make([]byte, more)...)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes more: %v", more, err)
		}
	}
	// With this length the sizes add up, but for a carry.
	rest := uint64(len(image) - headerSize)
	wraps := uint64(math.MaxUint64)
	for range 100 {
		wraps = rest - sumSize*chunks(wraps)
	}
	if wraps < math.MaxInt64 || wraps+sumSize*chunks(wraps) != rest {
		t.Fatalf("%d does not wrap", wraps)
	}
	for _, length := range []uint64{wraps, 0, 99, 101, 104, chunkSize, math.MaxInt64, math.MaxUint64, math.MaxUint64 - 3} {
		bad := bytes.Clone(image)
		binary.LittleEndian.PutUint64(bad[atLength:], length)
		if _, err := readAll(t, reseal(bad)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a length of %d: %v", length, err)
		}
	}
}

func TestCorruption_isFoundWhereItIsRead(t *testing.T) {
	want := random(3, 3*chunkSize)
	image := content(t, seal(t, 9, want))
	image[headerSize+chunkSize+77] ^= 1
	r, err := newReader(image)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b := make([]byte, len(want))
		if n, err := r.ReadAt(b, 0); n != chunkSize || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if n, err := r.ReadAt(b[:10], 2*chunkSize); n != 10 || err != nil {
			t.Errorf("of a chunk that is right: %d bytes, %v", n, err)
		}
	}
}

func TestCorruption_isFoundBeforeAnythingIsRead(t *testing.T) {
	image := content(t, seal(t, 9, random(3, 2*chunkSize)))
	for name, change := range map[string]func(image []byte){
		"the table": func(image []byte) { image[len(image)-1] ^= 1 },
		"the magic": func(image []byte) { image[0] ^= 1; reseal(image) },
	} {
		bad := bytes.Clone(image)
		change(bad)
		if _, err := newReader(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReader_checksAChunkOnce(t *testing.T) {
	image := content(t, seal(t, 9, random(3, 2*chunkSize)))
	r, err := newReader(image)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.ReadAt(make([]byte, 10), 5); err != nil {
			t.Error(err)
		}
		image[headerSize] ^= 1 // which the kernel lets nobody do
	}
}

func FuzzReader(f *testing.F) {
	for _, length := range []int{0, 1, 100, 5000} {
		f.Add(content(f, seal(f, 1, random(1, length))), uint32(atLength), uint64(1))
	}
	f.Add(content(f, seal(f, 1)), uint32(atLength), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, image []byte, at uint32, value uint64) {
		// As it is; with 8 other bytes; and with a header that is right about itself.
		original, errOriginal := readAll(t, image)
		if errOriginal == nil && len(image) != headerSize+len(original)+sumSize*int(chunks(uint64(len(original)))) {
			t.Errorf("%d bytes of %d", len(original), len(image))
		}
		if len(image) < headerSize || int64(at)+8 > int64(len(image)) {
			return
		}
		changed := bytes.Clone(image)
		binary.LittleEndian.PutUint64(changed[at:], value)
		if _, err := readAll(t, changed); err == nil && errOriginal == nil && !bytes.Equal(image, changed) {
			t.Error("the change is not found")
		}
		_, err := readAll(t, reseal(changed))
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Error(err)
		}
	})
}
