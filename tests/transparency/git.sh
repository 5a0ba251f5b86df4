# git with hooks, helpers, packs and other processes of its own. Prints the same each time. Runs in an empty directory, which is its home.
export GIT_AUTHOR_DATE='2024-05-06T07:08:09Z' GIT_COMMITTER_DATE='2024-05-06T07:08:09Z' GIT_CONFIG_NOSYSTEM=1 GIT_EDITOR=true GIT_PAGER=cat
export GIT_AUTHOR_NAME=Ann GIT_AUTHOR_EMAIL=ann@example.org GIT_COMMITTER_NAME=Ann GIT_COMMITTER_EMAIL=ann@example.org
git config --global init.defaultBranch main
git config --global gc.autoDetach false
git config --global maintenance.autoDetach false
git config --global pack.threads 2
git config --global protocol.file.allow always
set -e
git init -q work; cd work

echo "== commits and hooks"
for hook in pre-commit commit-msg post-commit post-checkout post-rewrite pre-rebase post-merge; do
  printf '#!/bin/sh\necho "hook %s $#" >>"%s/hooks.log"\n' $hook "$HOME" >.git/hooks/$hook; chmod +x .git/hooks/$hook
done
for i in $(seq 1 40); do seq 1 $((i * 20)) >numbers; echo "text $i" >"file$((i % 7))"; git add -A; git commit -q -m "commit $i"; done
git log --oneline | sed -n '1p;$p'; git log --format=%H | sha1sum
printf '#!/bin/sh\necho refused; exit 1\n' >.git/hooks/pre-commit
echo x >refused; git add refused; git commit -q -m no 2>&1 || echo "commit: $?"; git rm -q --cached refused; rm refused
rm .git/hooks/pre-commit

echo "== rebase"
git checkout -q -b side HEAD~5; for i in 1 2 3; do echo "side $i" >"side$i"; git add -A; git commit -q -m "side $i"; done
git rebase -q main; git log --oneline -4
git checkout -q -b conflict HEAD~8; echo conflict >file3; git commit -qam conflict; git rebase main >/dev/null 2>&1 || echo "rebase: $?"
git status --short; git checkout -q --theirs file3; git add file3; git rebase --continue >/dev/null; git log --format=%s -2
git rebase -q -x 'test -f numbers' HEAD~3 2>&1
git checkout -q main; git merge -q --no-ff -m merge side; git log --format='%h %p %s' -1

echo "== bisect"
git bisect start -q HEAD HEAD~20 >/dev/null 2>&1 || true
git bisect run sh -c 'test "$(wc -l <numbers)" -lt 660' 2>&1 | grep -E 'is the first|bisect found' | sort; git bisect reset -q 2>/dev/null

echo "== packs"
git count-objects; git repack -q -a -d -f --depth=20 --window=20; git gc -q --prune=now; git fsck --full 2>&1 | sort; git count-objects -v | grep -v size
git rev-list --objects --all | sort | sha1sum
git bundle create -q ../all.bundle --all; git clone -q ../all.bundle ../from-bundle; git -C ../from-bundle log --oneline | wc -l
git clone -q --bare . ../bare.git; git clone -q "file://$HOME/bare.git" ../clone; cd ../clone
printf '#!/bin/sh\nwhile read a b c; do echo "pre-receive $c"; done\n' >../bare.git/hooks/pre-receive; chmod +x ../bare.git/hooks/pre-receive
echo pushed >pushed; git add -A; git commit -q -m pushed; git push -q origin main 2>&1 | sed 's/ *$//'; cd ../work; git pull -q ../clone main; git log --format=%s -1
git grep -c -e 'text' -- 'file*'; git stash list; echo y >>numbers; git stash -q; git stash pop -q; git diff --stat; git checkout -q numbers
git worktree add -q ../tree side; git -C ../tree log --format=%s -1; git submodule --quiet add "file://$HOME/bare.git" sub; git submodule status | cut -c 2-41
git archive HEAD | tar t | sort | sha1sum; git shortlog -s HEAD; GIT_PAGER='sed 1q' git -c core.pager='sed 1q' log --oneline
git cat-file --batch-check --batch-all-objects | sort | sha1sum; git blame -s numbers | cut -c 1-9 | sort | uniq -c
git config alias.shell '!sh -c "echo alias \$0; exit 4"'; git shell || echo "alias: $?"
git filter-branch -f --msg-filter 'tr a-z A-Z' HEAD~2..HEAD >/dev/null 2>&1; git log --format=%s -2
cat ../hooks.log | sort | uniq -c
