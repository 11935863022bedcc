package api

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
)

// smallAnswer is the size in bytes up to which compression is not worth it.
const smallAnswer = 4 << 10

// compress packs text for a client that takes gzip, and says so in the header.
// A short one is returned as it is.
func compress(w http.ResponseWriter, r *http.Request, text []byte) []byte {
	w.Header().Add("Vary", "Accept-Encoding")
	if len(text) <= smallAnswer || !takesGzip(r.Header.Get("Accept-Encoding")) {
		return text
	}
	var packed bytes.Buffer
	// The level is a valid one, and a buffer takes everything.
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	_, _ = z.Write(text)
	_ = z.Close()
	w.Header().Set("Content-Encoding", "gzip")
	return packed.Bytes()
}

// takesGzip reads an Accept-Encoding header.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" {
			quality = strings.ReplaceAll(quality, " ", "")
			return quality != "q=0" && !strings.HasPrefix(quality, "q=0.0")
		}
	}
	return false
}
