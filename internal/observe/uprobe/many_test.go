package uprobe

import (
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

const bigSource = `package main

import (
	"bufio"
	"fmt"
	_ "go/types"
	_ "go/build"
	_ "image/png"
	_ "go/importer"
	_ "text/template"
	_ "encoding/xml"
	_ "database/sql"
	"net/http"
	"os"
)

func main() {
	http.Handle("/", http.FileServer(http.Dir(".")))
	fmt.Println("ready")
	go http.ListenAndServe("127.0.0.1:0", nil)
	bufio.NewReader(os.Stdin).ReadString('\n')
}
`

// entries returns the entry points of n functions of a program.
func entries(t testing.TB, v *victim, n int) ([]Site, []symbol.Point) {
	t.Helper()
	var sites []Site
	var points []symbol.Point
	for f := range v.binary.Functions() {
		if len(sites) == n {
			break
		}
		if p, err := v.binary.EntryPoint(f); err == nil {
			sites = append(sites, Site{p.Offset, uint64(len(sites)) % 16})
			points = append(points, p)
		}
	}
	return sites, points
}

func TestAttachTakesThousandsOfFunctions(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	testutil.RequireKernel(t, "6.6", "uprobe.multi")
	v := startVictim(t, testutil.BuildGo(t, testutil.Files{"main.go": bigSource}, testutil.BuildOptions{}))
	sites, points := entries(t, v, 10_000)
	if len(sites) < 5000 {
		t.Fatalf("%d functions, want thousands", len(sites))
	}
	begin := time.Now()
	if refused := Check(v.PID, v.bias, v.binary, points); len(refused) > 0 {
		t.Errorf("Check refuses %d, the first: %v", len(refused), refused[0])
	}
	checked := time.Now()
	program, _ := counting(t, true)
	loaded := time.Now()
	closer, refused, err := Attach(v.exe, program, sites, Options{PID: v.PID})
	if err != nil || len(refused) > 0 {
		t.Fatalf("%v; %d refused", err, len(refused))
	}
	attached := time.Now()
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sites: checked in %v, attached in %v, detached in %v", len(sites), checked.Sub(begin), attached.Sub(loaded), time.Since(attached))
}
