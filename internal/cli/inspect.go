package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/inspect"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

type inspectOptions struct {
	functions []string
	all       bool
	json      bool
}

func newInspect(env Env) *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect PATH|PID [--func NAME]... [--all] [--json]",
		Short: "Say what a Go program is and what can be done to its functions",
		Long: `Say what a Go executable is, from its file alone: build information, linking,
sections; and for each function that is asked for its size, which functions it
is inlined into, and whether it can be hooked and patched, or why not.

A number is the id of a process, and the program is the one that it runs; write
./123 for a file of that name.

A hook point is emulated or single-stepped by the kernel, which costs about ten
times as much: "goshawk hook" measures how much that is on this host. That a
function can be patched says that no rule speaks against it; whether a given
change can be made is known when the patch is built.

Exit codes: 0 done, 2 bad usage, no such process, file or function, or not a Go
program of Go 1.20 or newer, 4 the file changed meanwhile, 130 interrupted.`,
		Example: `  goshawk inspect ./server
  goshawk inspect 4711 --func 'net/http.(*conn).serve'
  goshawk inspect ./server --func 'main.*' --json
  goshawk inspect ./server --all`,
		Args:              exactArgs(1, "one PATH or PID"),
		ValidArgsFunction: completeProgram,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), env, args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.functions, "func", nil, "show the function called `NAME`, in which * stands for any text; may be repeated")
	f.BoolVar(&o.all, "all", false, "show all functions (the default with --json and without --func)")
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	if err := cmd.RegisterFlagCompletionFunc("func", completeFunctions); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// completeProgram completes a number to the ids of Go processes, anything else
// to files.
func completeProgram(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if _, err := strconv.ParseUint(word, 10, 31); err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	// What could be read before an error is as good without the rest.
	processes, _ := target.NewReader(target.ReaderOptions{}).List(cmd.Context())
	var words []string
	for _, p := range processes {
		if id := strconv.Itoa(int(p.ID.PID)); strings.HasPrefix(id, word) {
			words = append(words, id+"\t"+table.Printable(p.Service))
		}
	}
	return words, cobra.ShellCompDirectiveDefault
}

// maxCompletions is how many functions are offered for the start of a name.
const maxCompletions = 200

// completeFunctions completes the start of a name to the functions of the
// program that the arguments name.
func completeFunctions(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	if len(args) != 1 {
		return nil, directive
	}
	program, err := openProgram(args[0])
	if err != nil {
		return nil, directive
	}
	defer program.Close()
	return program.Names(cmd.Context(), word, maxCompletions), directive
}

func runInspect(ctx context.Context, env Env, operand string, o inspectOptions) error {
	if o.all && len(o.functions) > 0 {
		return usageError("leave out one of them", "inspect: --all with --func: they contradict each other")
	}
	program, err := openProgram(operand)
	if err != nil {
		return inspectFailure(operand, err)
	}
	defer program.Close()
	var match func(string) bool
	if len(o.functions) > 0 {
		if match, err = program.Select(o.functions); err != nil {
			return inspectFailure(operand, err)
		}
	}
	functions := program.Functions(ctx, match)
	out := bufio.NewWriterSize(env.Stdout, 64<<10)
	head := v1.NewInspection(program)
	switch {
	case o.json:
		err = v1.WriteInspection(out, &head, functions)
	case o.all || match != nil:
		err = printFunctions(out, functions)
	default:
		err = printProgram(ctx, out, &head, program)
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	if errors.Is(err, inspect.ErrChanged) {
		return fmt.Errorf("inspect: %s: %w", shortOperand(operand), err)
	}
	return err
}

// openProgram opens the program that an argument names.
func openProgram(operand string) (*inspect.Program, error) {
	if pid, err := strconv.ParseInt(operand, 10, 64); err == nil {
		if pid <= 0 || pid > 1<<31-1 {
			return nil, target.ErrGone
		}
		return inspect.OpenProcess(target.NewReader(target.ReaderOptions{}), int32(pid))
	}
	return inspect.OpenFile(operand)
}

// shortOperand returns an argument for an error: it may be of any length.
func shortOperand(operand string) string {
	const most = 200
	switch {
	case operand == "":
		return `""`
	case len(operand) > most:
		return table.Printable(operand[:most]) + fmt.Sprintf("... (%d bytes)", len(operand))
	}
	return table.Printable(operand)
}

// inspectFailure is the usage error for a program that cannot be inspected.
func inspectFailure(operand string, err error) error {
	hint := "goshawk ps lists the Go processes"
	var unknown *inspect.UnknownError
	switch {
	case errors.As(err, &unknown):
		hint = "goshawk inspect --all lists the functions"
		if len(unknown.Nearest) > 0 {
			hint = "did you mean " + table.Printable(strings.Join(unknown.Nearest, " or ")) + "?"
		}
		return usageError(hint, "inspect: %s: --func %s: %w", shortOperand(operand), shortOperand(unknown.Name), err)
	case errors.Is(err, fs.ErrPermission):
		hint = "run as root, or as the owner of the file or process"
	case errors.Is(err, symbol.ErrUnsupported):
		hint = "build the program with Go 1.20 or newer, for amd64 or arm64"
	case errors.Is(err, fs.ErrNotExist):
		hint = "give the path of an executable, or the id of a process"
	}
	return usageError(hint, "inspect: %s: %w", shortOperand(operand), err)
}

// printProgram prints what a program is.
func printProgram(ctx context.Context, w *bufio.Writer, v *v1.Inspection, program *inspect.Program) error {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", name, table.Printable(fmt.Sprintf(format, args...)))
	}
	row("program", "%s, %s", v.Exe, bytesText(uint64(v.SizeBytes)))
	if v.Deleted {
		row("", "(the file is no longer there, or is another one)")
	}
	if v.PID != 0 {
		row("process", "%d, service %s", v.PID, v.Service)
	}
	row("built by", "%s for %s", orUnknown(v.GoVersion), v.Arch)
	if v.Module != "" {
		row("module", "%s %s, built from %d others", v.Module, orUnknown(v.Version), max(len(v.Modules)-1, 0))
	}
	if v.VCS != nil {
		row("vcs", "%s", vcsText(v.VCS))
	}
	row("build id", "%s", orUnknown(v.BuildID))
	row("linking", "%s", linkingText(v))
	row("kept", "%s", keptText(v))
	for i, line := range sectionLines(v.Sections) {
		row([]string{"sections", ""}[min(i, 1)], "%s", line)
	}
	s, err := program.Summary(ctx)
	if err != nil {
		return err
	}
	row("functions", "%d with code, %d more that are only there inlined", s.Functions, s.Alone)
	if s.NoHook != "" {
		row("hook", "no: %s", s.NoHook)
	} else {
		row("hook", "%s: entry emulated %d, single-stepped %d", share(s.Hookable, s.Functions), s.Hookable-s.Stepped, s.Stepped)
	}
	if s.NoPatch != "" {
		row("patch", "no: %s", s.NoPatch)
	} else {
		row("patch", "%s", share(s.Patchable, s.Functions))
	}
	_, err = fmt.Fprintln(w, "\nSee the functions with --func NAME, --func 'main.*' or --all.")
	return err
}

func orUnknown(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
}

func share(n, of int) string {
	if of == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d functions (%.1f %%)", n, of, 100*float64(n)/float64(of))
}

func vcsText(v *v1.VCS) string {
	text := strings.TrimSpace(v.System + " " + v.Revision + " " + v.Time)
	if v.Modified {
		text += ", with changes that are not in it"
	}
	return text
}

func linkingText(v *v1.Inspection) string {
	words := []string{v.Linking}
	if v.PIE {
		words = append(words, "position-independent")
	}
	if v.Cgo {
		words = append(words, "with C code")
	}
	words = append(words, "RELRO "+v.Relro)
	if v.PLT {
		words = append(words, "PLT")
	} else {
		words = append(words, "no PLT")
	}
	switch {
	case !v.GOT:
		words = append(words, "no GOT")
	case v.GOTWritable:
		words = append(words, "GOT writable")
	default:
		words = append(words, "GOT read-only")
	}
	return strings.Join(words, ", ")
}

func keptText(v *v1.Inspection) string {
	kept := []string{"table of functions"}
	if v.SymbolTable {
		kept = append(kept, "symbol table")
	}
	if v.DWARF {
		kept = append(kept, "DWARF")
	}
	text := strings.Join(kept, ", ")
	if !v.SymbolTable && !v.DWARF {
		text += " (stripped)"
	}
	return text
}

// sectionLines lists the sections that are loaded, with their sizes.
func sectionLines(sections []v1.Section) []string {
	const width = 80
	var lines []string
	line := ""
	for _, s := range sections {
		if s.Address == 0 {
			continue
		}
		word := s.Name + " " + bytesText(s.SizeBytes)
		if line != "" && len(line)+len(word) > width {
			lines = append(lines, line+",")
			line = ""
		}
		if line != "" {
			line += ", "
		}
		line += word
	}
	if line == "" {
		line = "(none)"
	}
	return append(lines, line)
}

// bytesText renders a size for people.
func bytesText(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// shownReturns is how many returns of a function are listed for people.
const shownReturns = 8

// inDetail is up to how many functions are shown in a paragraph each.
const inDetail = 8

// printFunctions prints functions: few in detail, more as a table.
func printFunctions(w *bufio.Writer, functions iter.Seq2[inspect.Function, error]) error {
	var first []inspect.Function
	n := 0
	for f, err := range functions {
		if err != nil {
			return err
		}
		if n++; n <= inDetail {
			first = append(first, f)
			continue
		}
		if first != nil {
			fmt.Fprintf(w, "%8s  %-5s  %-5s  %s\n", "SIZE", "HOOK", "PATCH", "FUNCTION")
			for i := range first {
				printRow(w, &first[i])
			}
			first = nil
		}
		printRow(w, &f)
	}
	for i := range first {
		printDetail(w, &first[i])
	}
	return nil
}

func printRow(w *bufio.Writer, f *inspect.Function) {
	fmt.Fprintf(w, "%8d  %-5s  %-5s  %s\n", f.Size, yesNo(f.Hook.OK), yesNo(f.Patch.OK), table.Printable(f.Name))
}

func yesNo(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

func printDetail(w *bufio.Writer, f *inspect.Function) {
	fmt.Fprintln(w, table.Printable(f.Name))
	size := fmt.Sprintf("%d bytes at %#x", f.Size, f.Entry)
	if f.Entry == 0 {
		size = "no code of its own"
	}
	for _, kind := range []struct {
		on   bool
		name string
	}{{f.Wrapper, "wrapper"}, {f.Assembly, "assembly"}} {
		if kind.on {
			size += ", " + kind.name
		}
	}
	fmt.Fprintf(w, "  size     %s\n", size)
	if f.InlinedTotal > 0 {
		more := ""
		if n := f.InlinedTotal - len(f.InlinedInto); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(w, "  inlined  into %s%s\n", table.Printable(strings.Join(f.InlinedInto, ", ")), more)
	}
	fmt.Fprintf(w, "  hook     %s\n", verdictText(f.Hook.Verdict))
	point := func(at string, p symbol.Point) {
		fmt.Fprintf(w, "           %-6s %+6d  %-5s %s\n", at, p.Addr-f.Entry, p.Op, inspect.Cost(p))
	}
	if f.Hook.Entry != nil {
		point("entry", *f.Hook.Entry)
	}
	shown := f.Hook.Returns[:min(len(f.Hook.Returns), shownReturns)]
	for _, p := range shown {
		point("return", p)
	}
	if more := len(f.Hook.Returns) - len(shown); more > 0 {
		fmt.Fprintf(w, "           and %d returns more, which --json lists\n", more)
	}
	fmt.Fprintf(w, "  patch    %s\n", verdictText(f.Patch))
}

func verdictText(v inspect.Verdict) string {
	text := yesNo(v.OK)
	if v.Reason != "" {
		text += ": " + table.Printable(v.Reason)
	}
	return text
}
