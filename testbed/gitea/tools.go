//go:build tools

// Package gitea names the program that is built, so that `go mod tidy` keeps what it needs.
package gitea

import _ "code.gitea.io/gitea"
