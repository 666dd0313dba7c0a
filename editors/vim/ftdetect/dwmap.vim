autocmd BufRead,BufNewFile *.dwmap setfiletype dwmap
