// Command victim is a Go program whose start is observed. It does what its first
// argument says.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "victim/asks"
	"victim/calls"
	_ "victim/crashes"
	"victim/crosses"
	_ "victim/reads"
	_ "victim/sleeps"
	_ "victim/spins"
)

func init() {
	if os.Getenv("BUSY") == "" {
		return
	}
	for i := 0; i < 2; i++ {
		go func() {
			for end := time.Now().Add(40 * time.Millisecond); time.Now().Before(end); {
			}
		}()
	}
	time.Sleep(40 * time.Millisecond)
}

func main() {
	crosses.End()
	how := ""
	if len(os.Args) > 1 {
		how = os.Args[1]
	}
	switch how {
	case "serve":
		serve("tcp", "127.0.0.1:0")
	case "unix":
		serve("unix", os.Args[2])
	case "probed":
		probed(os.Args[2], os.Args[3])
	case "dials":
		for i := 0; i < 200; i++ {
			if c, err := net.Dial("tcp", os.Args[2]); err == nil {
				c.Close()
			}
		}
	case "exec":
		fmt.Fprintln(os.Stderr, syscall.Exec("/bin/true", []string{"true"}, nil))
		os.Exit(1)
	case "children":
		for i := 0; i < 3; i++ {
			_ = exec.Command("/bin/true").Run()
		}
	case "user":
		_, _ = user.Lookup("nobody")
	case "took":
		fmt.Println(int64(calls.Took))
	case "threads":
		threads(4, 5000)
	case "status":
		os.Exit(7)
	case "wait":
		fmt.Println("waits")
		io.Copy(io.Discard, os.Stdin)
	}
}

// threads has n threads that make calls system calls each, and run until the program
// ends.
func threads(n, calls int) {
	var made sync.WaitGroup
	made.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			runtime.LockOSThread()
			for j := 0; j < calls; j++ {
				syscall.Getppid()
			}
			made.Done()
			for {
			}
		}()
	}
	made.Wait()
}

// probed serves too, but the first connection: that it closes, in the way that how
// says, and writes to a file whose descriptor has the same number.
func probed(how, path string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		panic(err)
	}
	number := descriptor(c)
	flags := os.O_CREATE | os.O_WRONLY
	switch how {
	case "close":
		c.Close()
	case "dup":
		file, err := syscall.Open(path, flags, 0o600)
		if err != nil {
			panic(err)
		}
		if err := syscall.Dup3(file, number, 0); err != nil {
			panic(err)
		}
	case "range":
		const closeRange = 436
		if _, _, err := syscall.Syscall(closeRange, uintptr(number), uintptr(number), 0); err != 0 {
			panic(err)
		}
	}
	if how != "dup" {
		if file, err := syscall.Open(path, flags, 0o600); err != nil || file != number {
			panic(fmt.Sprint("another descriptor: ", file, err))
		}
	}
	if _, err := syscall.Write(number, []byte("log\n")); err != nil {
		panic(err)
	}
	fmt.Println("logged")
	answer(l)
	runtime.KeepAlive(c)
}

func descriptor(c net.Conn) (number int) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		panic(err)
	}
	if err := raw.Control(func(fd uintptr) { number = int(fd) }); err != nil {
		panic(err)
	}
	return number
}

// serve answers each connection by one line, until standard input ends.
func serve(network, address string) {
	l, err := net.Listen(network, address)
	if err != nil {
		panic(err)
	}
	if network == "tcp" {
		fmt.Println(strings.TrimSpace(l.Addr().String()))
	} else {
		fmt.Println(address)
	}
	answer(l)
}

func answer(l net.Listener) {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(c, "hello")
		c.Close()
	}
}
