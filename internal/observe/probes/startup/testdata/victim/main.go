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
	"strings"
	"syscall"

	_ "victim/asks"
	_ "victim/crashes"
	_ "victim/reads"
	_ "victim/sleeps"
	_ "victim/spins"
)

func main() {
	how := ""
	if len(os.Args) > 1 {
		how = os.Args[1]
	}
	switch how {
	case "serve":
		serve("tcp", "127.0.0.1:0")
	case "unix":
		serve("unix", os.Args[2])
	case "exec":
		fmt.Fprintln(os.Stderr, syscall.Exec("/bin/true", []string{"true"}, nil))
		os.Exit(1)
	case "children":
		for i := 0; i < 3; i++ {
			_ = exec.Command("/bin/true").Run()
		}
	case "user":
		_, _ = user.Lookup("nobody")
	case "status":
		os.Exit(7)
	case "wait":
		fmt.Println("waits")
		io.Copy(io.Discard, os.Stdin)
	}
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
