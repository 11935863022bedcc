package script

import (
	"fmt"
	"os"
	"os/exec"
)

// victim is a Go program that runs commands, told by its arguments:
//
//	run COMMAND [ARG...]     run it and print its pid and how it ended
//	odd                      run true with arguments that are not text
//	refused PATH             try to run what cannot be run
func victim(args []string) int {
	switch {
	case len(args) >= 2 && args[0] == "run":
		return report(exec.Command(args[1], args[2:]...))
	case len(args) == 1 && args[0] == "odd":
		return report(exec.Command("true", "new\nline", "\x1b[31mred", "\xff\xfe", "quote'\""))
	case len(args) == 2 && args[0] == "refused":
		return report(&exec.Cmd{Path: args[1], Args: []string{args[1], "x"}})
	}
	fmt.Fprintln(os.Stderr, "victim: bad arguments")
	return 2
}

func report(cmd *exec.Cmd) int {
	err := cmd.Run()
	fmt.Println(cmd.ProcessState, err)
	return 0
}
