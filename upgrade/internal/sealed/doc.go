// Package sealed hands bytes from one process to another in memory that nobody can
// change any more.
//
// What comes in is written into a file that exists in memory only ([Create], [Writer]),
// in chunks that have a checksum each. [Writer.Seal] adds a header with the version that
// the application gives its bytes, and then seals the file: the kernel lets nobody, the
// writer included, write to it, or make it longer or shorter. The descriptor is what
// goes to the other process.
//
// What goes out there is a [Reader]. [Open] checks the seals, the header and the table of
// checksums and maps the file; that takes no longer for more bytes, but for the table,
// which has 16 bytes for each MiB. A chunk is checked when it is first read, so that
// the first byte need not wait for the last.
//
// What it refuses: a descriptor that is not sealed ([ErrNotSealed]), which could change,
// or kill the reader by getting shorter; another format ([ErrVersion]); and what is not
// whole ([ErrCorrupt]). The checksums (CRC-32C) are against mistakes of memory and of
// programs. Against an enemy there are the seals, and that the descriptor goes to no one
// else.
//
// The format, with integers in little endian: a page of 4096 bytes with the header (see
// [Version]), the bytes, and a checksum of 4 bytes for each chunk of 256 KiB, the last of
// which may be shorter.
package sealed
