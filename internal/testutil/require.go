package testutil

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// RequireKernel skips the test on a kernel older than version, a release such
// as "6.16"; why names the feature that came with it.
func RequireKernel(t testing.TB, version, why string) {
	t.Helper()
	if release := kernelRelease(); !releaseAtLeast(release, version) {
		t.Skipf("kernel %s is older than %s: %s", release, version, why)
	}
}

// RequireTool skips the test where PATH has no program called name, and
// returns its path; debianPackage is what installs it.
func RequireTool(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: apt-get install %s", name, debianPackage)
	}
	return path
}

// RequireArch skips the test on an architecture that is none of names, GOARCH
// values; why says what is not there for others.
func RequireArch(t testing.TB, why string, names ...string) {
	t.Helper()
	if !slices.Contains(names, runtime.GOARCH) {
		t.Skipf("architecture %s: %s", runtime.GOARCH, why)
	}
}

// RequireToolchain skips the test where the Go toolchain called name, such as
// "go1.20.14", is neither here nor to be downloaded.
func RequireToolchain(t testing.TB, name string) {
	t.Helper()
	cmd := exec.Command("go", "version")
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+name, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("toolchain %s cannot be had: %s", name, lastLine(out, err))
	}
}

// lastLine returns the end of what a command printed, or err when it printed
// nothing.
func lastLine(out []byte, err error) string {
	text := strings.TrimSpace(string(out))
	if text == "" {
		return err.Error()
	}
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// kernelRelease returns the running kernel's release, "6.1.0-18-amd64".
func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// releaseAtLeast compares the first two numbers of kernel releases.
func releaseAtLeast(release, version string) bool {
	major, minor := releaseNumbers(release)
	wantMajor, wantMinor := releaseNumbers(version)
	return major > wantMajor || major == wantMajor && minor >= wantMinor
}

func releaseNumbers(release string) (major, minor int) {
	first, rest, _ := strings.Cut(release, ".")
	major, _ = strconv.Atoi(first)
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	minor, _ = strconv.Atoi(rest[:end])
	return major, minor
}

// RequireModules skips the test where the modules that the main package in dir,
// relative to the calling package, needs are neither here nor to be downloaded.
func RequireModules(t testing.TB, dir string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Skipf("modules of %s cannot be had: %v: %s", dir, err, bytes.TrimSpace(stderr.Bytes()))
	}
}
