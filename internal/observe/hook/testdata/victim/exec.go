package main

import "syscall"

func execOther() error { return syscall.Exec("/bin/sleep", []string{"sleep", "60"}, nil) }
