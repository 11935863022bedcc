package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"testing"
)

func TestCompress_packsLongTextsForWhoTakesThem(t *testing.T) {
	long := bytes.Repeat([]byte(`{"probe":"exec"}`), 1000)
	for _, tt := range []struct {
		name, accept string
		text         []byte
		packed       bool
	}{
		{"a browser", "gzip, deflate, br", long, true},
		{"with a quality", "br;q=1, gzip; q=0.8", long, true},
		{"refused", "gzip;q=0", long, false},
		{"nothing said", "", long, false},
		{"short", "gzip", []byte("{}"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Encoding", tt.accept)
			got := compress(w, r, tt.text)
			if packed := w.Header().Get("Content-Encoding") == "gzip"; packed != tt.packed || w.Header().Get("Vary") != "Accept-Encoding" {
				t.Fatalf("header %v, want packed %t", w.Header(), tt.packed)
			}
			if tt.packed {
				z, err := gzip.NewReader(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				if got, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, tt.text) {
				t.Errorf("%d bytes come back, want %d", len(got), len(tt.text))
			}
		})
	}
}
