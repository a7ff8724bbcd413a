"""Providers of pull requests: GitHub, GitLab, Gitea and Forgejo, Bitbucket Cloud; each an adapter of its own."""
