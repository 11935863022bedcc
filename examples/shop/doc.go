// Command shop is a demo web shop that runs real commands, in good ways and in
// bad ones, together with the customers who visit it. It serves on a loopback
// address that it logs, until it is interrupted; -addr chooses the address.
//
// What it does is in the package shop below it.
package main
