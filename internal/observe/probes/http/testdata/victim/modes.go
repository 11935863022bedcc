package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// run runs a command and tells its process id.
func run(w http.ResponseWriter, arguments string) {
	cmd := exec.Command("/bin/true", arguments)
	check(cmd.Run())
	commands.Add(1)
	fmt.Fprint(w, cmd.Process.Pid)
}

// reexec replaces the process by the same program, with the same standard
// streams.
func reexec() {
	self, err := os.Executable()
	check(err)
	check(syscall.Exec(self, os.Args, os.Environ()))
}

// other is what the victim is with an argument.
func other(mode string, args []string) {
	switch mode {
	case "client":
		// A program that makes requests and serves none is in testdata/client.
		for _, url := range args {
			status, err := get(url)
			print(map[string]any{"Status": status, "Error": text(err)})
		}
	case "storm":
		seconds, err := strconv.Atoi(args[0])
		check(err)
		storm(time.Duration(seconds) * time.Second)
	}
}

// storm serves its own requests from ten thousand goroutines whose stacks grow
// and shrink while the collector runs all the time, and prints how many there
// were and how many failed.
func storm(long time.Duration) {
	debug.SetGCPercent(10)
	a := serve(counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		levels(2, func() { grow(200) })
		handler(w, r)
	})))
	print(a)
	var wait sync.WaitGroup
	var made, failed atomic.Int64
	stop := time.Now().Add(long)
	turn := make(chan struct{}, 50)
	for n := 0; n < 10000; n++ {
		wait.Add(1)
		go func(n int) {
			defer wait.Done()
			for time.Now().Before(stop) {
				grow(n % 300)
				turn <- struct{}{}
				status, err := get("http://" + a.Plain + "/items/" + strconv.Itoa(n))
				<-turn
				made.Add(1)
				if err != nil || status != http.StatusOK {
					failed.Add(1)
				}
				runtime.Gosched()
			}
		}(n)
	}
	wait.Wait()
	print(map[string]int64{"Made": made.Load(), "Failed": failed.Load(), "Begun": begun.Load()})
	io.Copy(io.Discard, os.Stdin)
}

// grow makes the stack grow.
//
//go:noinline
func grow(depth int) int {
	var room [128]byte
	if depth == 0 {
		return len(strings.Repeat("x", 64))
	}
	room[depth%len(room)] = byte(depth)
	return grow(depth-1) + int(room[depth%len(room)])
}
