package shop

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCheckLoopback(t *testing.T) {
	tests := []struct {
		name, addr string
		ok         bool
	}{
		{"IPv4 loopback", "127.0.0.1:80", true},
		{"another IPv4 loopback", "127.1.2.3:0", true},
		{"IPv6 loopback", "[::1]:0", true},
		{"the name of loopback", "localhost:8080", true},
		{"all addresses", ":80", false},
		{"the unspecified address", "0.0.0.0:80", false},
		{"a private address", "192.168.0.1:80", false},
		{"a name that only looks like it", "localhost.example:80", false},
		{"no port", "127.0.0.1", false},
		{"nothing", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := checkLoopback(tt.addr); (err == nil) != tt.ok {
				t.Errorf("checkLoopback(%q) = %v, want ok %t", tt.addr, err, tt.ok)
			}
		})
	}
}

func TestCheckTarget(t *testing.T) {
	tests := []struct {
		name, url string
		ok        bool
	}{
		{"a shop", "http://127.0.0.1:4000", true},
		{"another scheme", "https://127.0.0.1:4000", false},
		{"another host", "http://192.0.2.1:80", false},
		{"loopback as the user of another host", "http://127.0.0.1:80@192.0.2.1:80", false},
		{"no url", "\x00", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := checkTarget(tt.url); (err == nil) != tt.ok {
				t.Errorf("checkTarget(%q) = %v, want ok %t", tt.url, err, tt.ok)
			}
		})
	}
}

func TestOptions_rateIsBounded(t *testing.T) {
	for _, tt := range []struct{ rate, want float64 }{{0, 15}, {-1, 15}, {2.5, 2.5}, {1e9, 50}} {
		if got := (Options{Rate: tt.rate}).rate(); got != tt.want {
			t.Errorf("rate %v becomes %v, want %v", tt.rate, got, tt.want)
		}
	}
}

func TestVisitAt_showsEveryRouteEarly(t *testing.T) {
	early := map[string]bool{}
	for n := range 25 {
		v := visitAt(n)
		parts := strings.Split(v.path, "/")
		early[v.method+" "+parts[1]+"/"+parts[len(parts)-1]] = true
	}
	for _, want := range []string{
		"GET product/1", "GET product/image", "POST product/description", "POST checkout/checkout", "GET report/report", "GET search/search",
		"GET shipping/3", "POST newsletter/newsletter", "GET version/version", "GET healthz/healthz", "GET invoice/1009.pdf",
	} {
		if !early[want] {
			t.Errorf("%s is not among the first 25 visits: %v", want, slices.Sorted(maps.Keys(early)))
		}
	}
}

func TestVisitAt_checksOneStockOftenEnough(t *testing.T) {
	perCycle := 0
	for n := range cycle {
		if v := visitAt(n); strings.Count(v.path, "/") == 2 && strings.HasPrefix(v.path, "/product/") {
			perCycle += 2
		}
	}
	// 100 within 8 seconds of 15 visits each.
	if got := perCycle * 8 * defaultRate / cycle; got <= 100 {
		t.Errorf("%d checks in 8 seconds from one call site, want more than 100", got)
	}
}

func TestNewTraceparent(t *testing.T) {
	tests := []struct{ name, random, want string }{
		{"ids are in hexadecimal", "ABCDEFGHIJKLMNOPQRSTUVWX", "00-4142434445464748494a4b4c4d4e4f50-5152535455565758-01"},
		{"ids of zeros are avoided", strings.Repeat("\x00", 24), "00-01000000000000000000000000000000-0100000000000000-01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newTraceparent(strings.NewReader(tt.random))
			if err != nil || got != tt.want {
				t.Errorf("newTraceparent = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	if _, err := newTraceparent(iotest.ErrReader(errors.New("dry"))); err == nil {
		t.Error("newTraceparent without randomness succeeds")
	}
}

func TestDescription_hasItsLength(t *testing.T) {
	for _, product := range []int{1, products} {
		if n := len(description(product)); n != descriptionChars {
			t.Errorf("description(%d) has %d characters, want %d", product, n, descriptionChars)
		}
	}
}

func TestParseItems(t *testing.T) {
	tests := []struct {
		name  string
		items []string
		want  []int
	}{
		{"two products", []string{"1", "24"}, []int{1, 24}},
		{"none", nil, nil},
		{"a product that is not sold", []string{"25"}, nil},
		{"zero", []string{"0"}, nil},
		{"a path", []string{"../1"}, nil},
		{"too many", slices.Repeat([]string{"1"}, maxItems+1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseItems(tt.items)
			if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
				t.Errorf("parseItems(%q) = %v, %v, want %v", tt.items, got, err, tt.want)
			}
		})
	}
}

func TestParseInvoice(t *testing.T) {
	for in, want := range map[string]int{"17.pdf": 17, "17": 0, ".pdf": 0, "-1.pdf": 0, "x.pdf": 0} {
		if got, err := parseInvoice(in); got != want || (err == nil) != (want != 0) {
			t.Errorf("parseInvoice(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
}

func TestCheckCoupon(t *testing.T) {
	for in, ok := range map[string]bool{"SUMMER": true, "": true, "-v": true, "a\x00b": false, "a\nb": false, strings.Repeat("x", 65): false} {
		if err := checkCoupon(in); (err == nil) != ok {
			t.Errorf("checkCoupon(%q) = %v, want ok %t", in, err, ok)
		}
	}
}

func FuzzParsePID(f *testing.F) {
	for _, seed := range []string{"17\n", "17", "", "1\n", "-5\n", "17\n18\n", "x\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, printed []byte) {
		pid, err := parsePID(printed)
		if (err == nil) != (pid > 1) {
			t.Errorf("parsePID(%q) = %d, %v", printed, pid, err)
		}
	})
}

func TestCountLines(t *testing.T) {
	if n, err := countLines(iotest.OneByteReader(strings.NewReader("a\nb\n\nc"))); n != 3 || err != nil {
		t.Errorf("countLines = %d, %v, want 3", n, err)
	}
	broken := errors.New("broken")
	if _, err := countLines(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("countLines of a broken reader = %v", err)
	}
}

func TestBegin_boundsWork(t *testing.T) {
	s := newShop(t.Context(), Options{}, t.TempDir())
	s.works = map[string]work{
		"few":  {name: "few", processes: 1, limit: 2},
		"many": {name: "many", processes: maxProcesses - 1, limit: 9},
	}
	must := func(name string) func() {
		t.Helper()
		end, err := s.begin(name)
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	refused := func(name string, want error) {
		t.Helper()
		if _, err := s.begin(name); !errors.Is(err, want) {
			t.Errorf("begin(%s) = %v, want %v", name, err, want)
		}
	}
	first, second := must("few"), must("few")
	refused("few", errBusy)
	refused("many", errBusy)
	second()
	third := must("many")
	refused("few", errBusy)
	first()
	third()
	refused("nothing", errLeftOut)
	if err := s.end(); err != nil {
		t.Error(err)
	}
	refused("few", errClosed)
	if st := s.status(); st.Runs["few"] != 2 || st.Runs["many"] != 1 || st.Processes != 0 {
		t.Errorf("status = %+v", st)
	}
}

func TestNewShop_leavesOutWhatHasNoTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := newShop(t.Context(), Options{}, t.TempDir())
	defer s.close()
	for _, w := range allWork() {
		if out := slices.Contains(s.leftOut, w.name); out != (len(w.tools) > 0) {
			t.Errorf("%s, which needs %q, is left out: %t", w.name, w.tools, out)
		}
	}
	if _, err := s.checkStock(t.Context(), 1); !errors.Is(err, errLeftOut) {
		t.Errorf("checkStock without cat = %v", err)
	}
}
