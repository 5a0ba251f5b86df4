// A Go program whose functions call each other and then wait, in C so that it is linked with the C library.
//
// Prints `ready pid=N`, and waits in a call that a line of stdin ends.
package main

/*
#include <unistd.h>
static int wait_for_input(void) { char byte; return read(0, &byte, 1); }
*/
import "C"

import (
	"fmt"
	"os"
)

type Pool struct{ size int }

//go:noinline
func (p *Pool) Run(depth int) int {
	if depth > 0 {
		return p.Run(depth-1) + p.size
	}
	return int(C.wait_for_input())
}

//go:noinline
func outermost() int { return (&Pool{1}).Run(2) + 1 }

func main() {
	fmt.Printf("ready pid=%d\n", os.Getpid())
	fmt.Println(outermost())
}
