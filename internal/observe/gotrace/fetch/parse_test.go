package fetch

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFindSocket(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:17AC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:17AC 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:17AD 0000000000000000FFFF00000100007F:D432 01 0:0 00:0 0 0 0 333 1
   3: 0100007F:17AE 0100007F:D433 06 00000000:00000000 00:00000000 00000000     0        0 0 1
`
	for _, test := range []struct{ name, local, remote, want string }{
		{"a connection", "127.0.0.1:6060", "127.0.0.1:54321", "222"},
		{"one of IPv4 to a socket of IPv6", "127.0.0.1:6061", "127.0.0.1:54322", "333"},
		{"one that is closed", "127.0.0.1:6062", "127.0.0.1:54323", ""},
		{"one that is not there", "127.0.0.1:6060", "127.0.0.1:1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := findSocket(bufio.NewScanner(strings.NewReader(table)), netip.MustParseAddrPort(test.local), netip.MustParseAddrPort(test.remote))
			if got != test.want {
				t.Errorf("inode %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"go 1.26 trace\x00\x00\x00", "0100007F:17AC", "<html><title>a</title><p>b", "\x1f\x8b\x08", "\x1b[2J\xff\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if line := firstLine(text); strings.ContainsAny(line, "\n\x1b") || !utf8.ValidString(line) || utf8.RuneCountInString(line) > maxLine+3 {
			t.Errorf("line %q", line)
		}
		if minor, ok := minorOf([]byte(text)); ok && (minor < 0 || !strings.HasPrefix(text, "go 1.")) {
			t.Errorf("Go 1.%d of %q", minor, text)
		}
		unpackHead([]byte(text))
		parseSocket(text)
	})
}
