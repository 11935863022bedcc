package target

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestListens(t *testing.T) {
	var want []netip.AddrPort
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err)
			continue
		}
		defer l.Close()
		want = append(want, l.Addr().(*net.TCPAddr).AddrPort())
	}
	c, err := net.Dial("tcp", want[0].String()) // does not listen
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := Listens(int32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range want {
		if !slices.Contains(got, address) {
			t.Errorf("Listens = %v, without %s", got, address)
		}
	}
	if local := c.LocalAddr().(*net.TCPAddr).AddrPort(); slices.Contains(got, local) {
		t.Errorf("Listens = %v, with %s, which is connected", got, local)
	}
	if _, err := Listens(1<<31 - 1); err == nil {
		t.Error("no error for a process that there is not")
	}
}

func TestAppendListening(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 101 1
`
	got, err := appendListening(nil, strings.NewReader(table), map[string]bool{"101": true})
	want := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("[::1]:80")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"x:1", "01:1", "0100007F:", "0100007F:12345"} {
		if _, err := socketAddress(bad); err == nil {
			t.Errorf("socketAddress(%q) is no error", bad)
		}
	}
}
