// Command fields is a program that has the structs of the standard library whose
// fields are looked up. It is never run.
package main

import (
	"net/http"
	"os"
)

func main() {
	counts := map[string]int{}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		counts[r.URL.Path]++
	})
	if r, err := http.Get("http://" + os.Args[1]); err == nil {
		os.Exit(r.StatusCode)
	}
	if err := http.ListenAndServe(os.Args[1], nil); err != nil {
		os.Exit(1)
	}
}
