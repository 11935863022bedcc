package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ignore is not ended by SIGTERM.
func ignore() {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("ready")
	select {}
}

// spawn runs a number of commands with long arguments, some at a time, and
// prints how many there were.
func spawn(args []string) {
	total, err := strconv.Atoi(args[0])
	check(err)
	length, err := strconv.Atoi(args[1])
	check(err)
	long := strings.Repeat("x", length)
	work := make(chan int)
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range work {
				check(exec.Command("/bin/true", long).Run())
			}
		}()
	}
	for i := 0; i < total; i++ {
		work <- i
	}
	close(work)
	wg.Wait()
	fmt.Println("spawned", total)
	io.Copy(io.Discard, os.Stdin)
}

// older starts processes that go on until they are told: a line of standard
// input names one by its number and says what it shall do, "end" or "exec".
func older(args []string) {
	n, err := strconv.Atoi(args[0])
	check(err)
	inputs := make([]io.WriteCloser, n)
	cmds := make([]*exec.Cmd, n)
	for i := range cmds {
		cmds[i] = exec.Command("/bin/sh", "-c", `read what; [ "$what" != exec ] || exec /bin/cat; exit 7`, strconv.Itoa(i))
		inputs[i], err = cmds[i].StdinPipe()
		check(err)
		check(cmds[i].Start())
		fmt.Println("pid", cmds[i].Process.Pid)
	}
	fmt.Println("ready")
	for {
		var i int
		var what string
		if _, err := fmt.Scan(&i, &what); err != nil {
			return
		}
		switch what {
		case "exec":
			_, err := io.WriteString(inputs[i], "exec\n")
			check(err)
		case "end":
			inputs[i].Close()
			cmds[i].Wait()
			fmt.Println("ended", i)
		}
	}
}
