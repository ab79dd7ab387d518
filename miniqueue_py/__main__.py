from miniqueue_py.cli.main import main

main()
