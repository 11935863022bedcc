// Command busy writes an execution trace of a program that does something of
// everything that a trace shows, for a few generations.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/trace"
	"sync"
	"time"
)

func main() {
	out, err := os.Create(os.Args[1])
	check(err)
	lasting, err := time.ParseDuration(os.Args[2])
	check(err)
	blocked := make(chan int)
	go waits(blocked)
	time.Sleep(10 * time.Millisecond)
	check(trace.Start(out))
	ctx, cancel := context.WithTimeout(context.Background(), lasting)
	defer cancel()
	var work sync.WaitGroup
	for _, f := range []func(context.Context){pingPong, locks, echoes, garbage, files, annotated, spin, spin, spin, stops} {
		work.Add(1)
		go func(f func(context.Context)) {
			defer work.Done()
			f(ctx)
		}(f)
	}
	work.Wait()
	trace.Stop()
	check(out.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func waits(c chan int) { <-c }

func pingPong(ctx context.Context) {
	there, back := make(chan int), make(chan int)
	go func() {
		for v := range there {
			back <- v
		}
		close(back)
	}()
	for i := 0; ctx.Err() == nil; i++ {
		there <- i
		<-back
		if i%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	close(there)
}

func locks(ctx context.Context) {
	var mu sync.Mutex
	for ctx.Err() == nil {
		var all sync.WaitGroup
		for i := 0; i < 8; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				mu.Lock()
				defer mu.Unlock()
				runtime.Gosched()
			}()
		}
		all.Wait()
		time.Sleep(2 * time.Millisecond)
	}
}

func echoes(ctx context.Context) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		c, err := listener.Accept()
		check(err)
		io.Copy(c, c)
	}()
	c, err := net.Dial("tcp", listener.Addr().String())
	check(err)
	defer c.Close()
	for ctx.Err() == nil {
		fmt.Fprint(c, "hello")
		_, err := io.ReadFull(c, make([]byte, 5))
		check(err)
		time.Sleep(500 * time.Microsecond)
	}
}

func garbage(ctx context.Context) {
	kept := make([][]byte, 1000)
	for i := 0; ctx.Err() == nil; i++ {
		kept[i%len(kept)] = make([]byte, 16<<10)
		if i%50 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func files(ctx context.Context) {
	f, err := os.Open("/proc/self/maps")
	check(err)
	defer f.Close()
	buffer := make([]byte, 64<<10)
	for ctx.Err() == nil {
		_, err := f.ReadAt(buffer, 0)
		if err != io.EOF {
			check(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func annotated(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		taskCtx, task := trace.NewTask(ctx, "order")
		trace.WithRegion(taskCtx, "outer", func() {
			trace.WithRegion(taskCtx, "inner", func() { time.Sleep(time.Millisecond) })
		})
		trace.Log(taskCtx, "kind", fmt.Sprint(i))
		task.End()
	}
}

func spin(ctx context.Context) {
	for i := 0; ; i++ {
		if i%1_000_000 == 0 && ctx.Err() != nil {
			return
		}
	}
}

func stops(ctx context.Context) {
	for ctx.Err() == nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		time.Sleep(20 * time.Millisecond)
	}
}
